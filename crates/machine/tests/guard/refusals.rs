//! What is refused, where, and with what values it is told.

use super::*;

#[test]
fn what_does_not_fit_together_is_refused_where_it_stands() {
    check_refused("", "^ empty");
    check_refused(" \t", "^^ empty");
    check_refused("urgent &&", "         ^ ends_early open=false");
    check_refused("(urgent", "       ^ ends_early open=true");
    check_refused("urgent)", "      ^ closes_nothing bracket=)");
    check_refused("level in ['major')", "                 ^ closes_nothing bracket=)");
    check_refused("urgent signed", "       ^^^^^^ unexpected text=signed");
    check_refused("urgent and signed", "       ^^^ unexpected meant=&& text=and");
    check_refused("urgent OR signed", "       ^^ unexpected meant=|| text=OR");
    check_refused("urgent || && signed", "          ^^ unexpected text=&&");
    check_refused("()", " ^ unexpected text=)");
    check_refused("count = 3", "      ^ unexpected meant=== text==");
    check_refused("urgent & signed", "       ^ unexpected meant=&& text=&");
    check_refused("urgent | signed", "       ^ unexpected meant=|| text=|");
    check_refused("note == 'open", "        ^^^^^ text_not_closed");
    check_refused("note == 'a\nb'", "        ^^ text_not_closed");
    // Behind wide characters and on a later line
    check_refused("note == '整改'\n  && urgent signed", "            ^^^^^^ unexpected text=signed");
    check_refused("note == '整改' urgent", "             ^^^^^^ unexpected text=urgent");
}

#[test]
fn the_rest_of_cel_is_refused_by_name() {
    check_refused("count + 1 > 3", "      ^ arithmetic sign=+");
    check_refused("count -1 > 3", "      ^ arithmetic sign=-");
    check_refused("count > --1", "        ^ arithmetic sign=-");
    check_refused("-count > 1", "^ arithmetic sign=-");
    check_refused("count % 2 == 0", "      ^ arithmetic sign=%");
    check_refused("urgent // always", "       ^^^^^^^^^ comment");
    check_refused("size(note) > 3", "^^^^ no_calls name=size");
    check_refused("note.startsWith('a')", "^^^^^^^^^^^^^^^ no_calls name=note.startsWith");
    check_refused("level.exists(x, x == 'a')", "^^^^^^^^^^^^ no_calls name=level.exists");
    check_refused("has(note, title)", "^^^ has_takes_name");
    check_refused("has('note')", "^^^ has_takes_name");
    check_refused("has", "^^^ has_takes_name");
    check_refused("urgent ? signed : true", "       ^ no_choice");
    check_refused("note in {'a': 1}", "        ^ no_maps");
    check_refused("note[0] == 'a'", "    ^ lone_list");
    check_refused("[1] == [1]", "^ lone_list");
    check_refused("note in title", "     ^^ in_needs_list");
    check_refused("note in [title]", "         ^^^^^ list_of_literals");
    check_refused("count in [1, (2)]", "             ^ list_of_literals");
    check_refused("level in [level in ['major']]", "                ^^ list_of_literals");
    check_refused("1 < count < 3", "          ^ chained");
    check_refused("note == null", "        ^^^^ null");
    check_refused("count > 1.5", "        ^^^ not_whole text=1.5");
    check_refused("count > 3u", "        ^^ not_whole text=3u");
    check_refused("count > -0x10", "        ^^^^^ not_whole text=-0x10");
    check_refused("note == r'a'", "        ^ prefixed_text prefix=r");
    check_refused("note == '''a'''", "        ^^^ triple_quotes");
    check_refused(r"note == 'a\nb'", "          ^ backslash");
    check_refused("if && urgent", "^^ reserved_word word=if");
    check_refused("a.in && urgent", "^^^^ reserved_word word=in");
    check_refused(".urgent", "^ lone_dot");
    check_refused("rectification .missed", "              ^ lone_dot");
    check_refused("`urgent`", "^ quoted_name");
    check_refused("urgent; signed", "      ^ not_notation text=;");
    check_refused("整改 == 'a'", "^ not_ascii character=整");
    check_refused("note == ‘a’", "        ^ curly_quotes");
    check_refused("note == 'a\u{202e}b'", "          ^ invisible character=U+202E");
    check_refused("urgent\u{200b}", "      ^ invisible character=U+200B");
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_name() {
    check_refused("urgnet", "^^^^^^ unknown_variable close=urgent name=urgnet");
    check_refused("urgent && cuont > 3", "          ^^^^^ unknown_variable close=count name=cuont");
    check_refused("has(tittle)", "    ^^^^^^ unknown_variable close=title name=tittle");
    check_refused(
        "rectification.mised",
        "^^^^^^^^^^^^^^^^^^^ unknown_variable close=rectification.missed name=rectification.mised",
    );
    check_refused(
        "rectification",
        "^^^^^^^^^^^^^ unknown_variable close=rectification.missed name=rectification",
    );
    check_refused("weather == 'fine'", "^^^^^^^ unknown_variable name=weather");
    check_refused("note == '整改' && wether", "                ^^^^^^ unknown_variable name=wether");
    check_refused("level == major", "         ^^^^^ unquoted word=major");
    check_refused("major != level", "^^^^^ unquoted word=major");
}

#[test]
fn personal_fields_are_refused() {
    check_refused("has(phone)", "    ^^^^^ personal_field name=phone");
    check_refused("urgent || phone == '1'", "          ^^^^^ personal_field name=phone");
    check_refused("reporter.name == 'a'", "^^^^^^^^^^^^^ personal_field name=reporter.name");
    // Even if it was handed in as a variable
    let variables = BTreeMap::from([("phone".to_owned(), VarType::Text)]);
    let error = Guard::parse("has(phone)", &variables, &forbidden()).unwrap_err();
    assert_eq!(error.fault, GuardFault::PersonalField { name: "phone".to_owned() });
}

#[test]
fn types_are_checked() {
    check_refused("count", "^^^^^ not_a_condition kind=int name=count");
    check_refused("urgent && 'a'", "          ^^^ not_a_condition kind=text name='a'");
    check_refused("!3", " ^ not_a_condition kind=int name=3");
    check_refused("count == 'a'", "         ^^^ wrong_type kind=int name=count other_kind=text value='a'");
    check_refused("due == 3", "       ^ wrong_type kind=date name=due other_kind=int value=3");
    check_refused("note == true", "        ^^^^ wrong_type kind=text name=note other_kind=bool value=true");
    check_refused("note < 'b'", "^^^^^^^^^^ no_order kind=text name=note op=<");
    check_refused("'b' < note", "^^^^^^^^^^ no_order kind=text name=note op=>");
    check_refused("level >= 'major'", "^^^^^^^^^^^^^^^^ no_order kind=choice name=level op=>=");
    check_refused("level >= grade", "^^^^^^^^^^^^^^ no_order kind=choice name=level op=>=");
    check_refused("urgent > false", "^^^^^^^^^^^^^^ no_order kind=bool name=urgent op=>");
    check_refused("urgent in [true]", "^^^^^^^^^^^^^^^^ ask_directly name=urgent");
    check_refused("count == due", "^^^^^^^^^^^^ other_types kind=int name=count other=due other_kind=date");
    check_refused("level == state", "^^^^^^^^^^^^^^ other_lists name=level other=state");
    check_refused(
        "level == note",
        "^^^^^^^^^^^^^ other_types kind=choice name=level other=note other_kind=text",
    );
    check_refused("count == count", "^^^^^^^^^^^^^^ with_itself name=count");
    check_refused("1 == 1", "^^^^^^ two_literals");
    check_refused("1 in [1]", "^ in_needs_variable");
    check_refused("count in []", "^^^^^^^^^^^ empty_list");
    check_refused("count in [1, 2, 1]", "                ^ listed_twice value=1");
    check_refused(
        "count in [1, 'a']",
        "             ^^^ wrong_type kind=int name=count other_kind=text value='a'",
    );
    check_refused("!urgent == signed", "^^^^^^^ not_compared");
    check_refused("signed == (has(note) || urgent)", "           ^^^^^^^^^^^^^^^^^^^ not_compared");
}

#[test]
fn values_outside_their_list_and_days_that_do_not_exist_are_refused() {
    check_refused(
        "level == 'majr'",
        r#"         ^^^^^^ unknown_value close=major known=["general","major"] name=level value=majr"#,
    );
    check_refused("'x' != level", r#"^^^ unknown_value known=["general","major"] name=level value=x"#);
    check_refused(
        "state in ['open', 'shut']",
        r#"                  ^^^^^^ unknown_value known=["open","closed"] name=state value=shut"#,
    );
    check_refused("due < '2026-02-29'", "      ^^^^^^^^^^^^ not_a_date name=due value=2026-02-29");
    check_refused("due < '2026-2-9'", "      ^^^^^^^^^^ not_a_date name=due value=2026-2-9");
    check_refused(
        "count < 9223372036854775808",
        "        ^^^^^^^^^^^^^^^^^^^ number_too_large text=9223372036854775808",
    );
}
