//! What help says. Its English are the comments in [`args`](crate::args) and clap's own words; its Chinese
//! stands in `text/help_zh.json`, each text under the English it renders, so that English that changes is
//! English without Chinese, and a test says so.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use clap::builder::{Str, StyledStr};
use clap::{Arg, Command, CommandFactory};
use engine::text::Language;

use crate::CliError;
use crate::args::Arguments;
use crate::error::unknown_command;

static ZH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../text/help_zh.json")).expect("the texts are read by a test")
});

/// The command line, described in a language.
pub(crate) fn command(language: Language) -> Command {
    let mut command = Arguments::command();
    // Only then are the arguments that clap adds itself there, and the whole names of the commands.
    command.build();
    match language {
        Language::Zh => in_chinese(command),
        Language::En => command,
    }
}

/// Prints the help of a command, named by its words.
pub(crate) fn print(language: Language, words: &[String]) -> Result<(), CliError> {
    let mut command = command(language);
    for word in words {
        let within = command.find_subcommand(word).cloned();
        command = within.ok_or_else(|| unknown_command(language, word))?;
    }
    Ok(write!(anstream::stdout(), "{}", command.render_help().ansi())?)
}

fn in_chinese(command: Command) -> Command {
    let about = chinese(command.get_about());
    let after = chinese(command.get_after_help());
    let mut command = command
        .about(about)
        .after_help(after)
        .subcommand_value_name(name("COMMAND"))
        .mut_args(argument)
        .mut_subcommands(in_chinese);
    let layout = layout(&mut command);
    command.help_template(layout)
}

/// Chinese for a word of clap; one without Chinese stays as it is.
fn name(english: &'static str) -> &'static str {
    ZH.get(english).map_or(english, String::as_str)
}

/// A text in Chinese, line by line. Examples are the same in every language.
fn chinese(text: Option<&StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    let line = |line: &str| {
        let english = line.trim_start();
        let (indent, _) = line.split_at(line.len() - english.len());
        format!("{indent}{}", ZH.get(english).map_or(english, String::as_str))
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What clap puts behind the text of an argument it puts there in English; so it stands in the text here.
fn argument(arg: Arg) -> Arg {
    let mut said = vec![chinese(arg.get_help())];
    let mut more = |english, values: Vec<String>| {
        if !values.is_empty() {
            said.push(format!("[{}：{}]", name(english), values.join("、")));
        }
    };
    more("env", arg.get_env().iter().map(|env| env.to_string_lossy().into_owned()).collect());
    // A flag has values as well, but nobody writes them.
    if arg.get_action().takes_values() {
        let defaults = arg.get_default_values().iter();
        more("default", defaults.map(|value| value.to_string_lossy().into_owned()).collect());
        let possible = arg.get_possible_values();
        more("possible values", possible.iter().map(|value| value.get_name().to_owned()).collect());
    }
    let names = arg.get_value_names().unwrap_or_default().iter();
    let names: Vec<Str> = names
        .map(|name| ZH.get(name.as_str()).map_or_else(|| name.clone(), |name| name.as_str().into()))
        .collect();
    let arg = arg.help(said.join(" ")).hide_env(true).hide_default_value(true).hide_possible_values(true);
    if names.is_empty() { arg } else { arg.value_names(names) }
}

/// How help is laid out; clap's own layout has its headings in English.
fn layout(command: &mut Command) -> String {
    let style = *command.get_styles().get_header();
    let heading = |english| format!("{style}{}：{style:#}", name(english));
    // `Usage: bihuan act [OPTIONS] …`
    let usage = command.render_usage().ansi().to_string();
    let usage = usage.split_once(' ').map_or("", |(_, usage)| usage);
    let usage = usage.replace("[OPTIONS]", &format!("[{}]", name("OPTIONS")));
    // The space keeps a second line of it, indented by clap, below the first.
    let mut layout = format!("{{about-with-newline}}\n{} {usage}\n\n", heading("Usage"));
    if command.has_subcommands() {
        layout += &format!("{}\n{{subcommands}}\n\n", heading("Commands"));
    }
    if command.get_positionals().next().is_some() {
        layout += &format!("{}\n{{positionals}}\n\n", heading("Arguments"));
    }
    layout + &format!("{}\n{{options}}{{after-help}}", heading("Options"))
}
