//! What `store::Store` promises, held of both databases by the same tests.

mod commits;
mod kept;
mod lists;
mod made;
mod rows;

use tests::postgres::Server;

use made::Room;

/// Each test on a fresh file, and on a fresh database of the server.
macro_rules! on_both {
    ($($module:ident::$name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$module::$name(&crate::Room::file()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let url = crate::Server::shared().await.database().await;
                crate::$module::$name(&crate::Room::server(url)).await;
            })*
        }
    };
}

on_both! {
    kept::a_store_is_made_once_and_opened_as_it_was_made,
    kept::what_is_no_store_is_not_taken_for_one,
    kept::what_has_one_table_called_like_ours_is_no_store,
    kept::a_store_without_a_jurisdiction_is_begun_anew_on_a_server,
    kept::a_simulated_clock_goes_forward_only,
    kept::a_real_clock_goes_by_itself,
    kept::the_organisation_has_a_version,
    kept::the_calendar_loaded_last_is_the_newest,
    kept::the_definition_published_last_is_the_newest,
    kept::numbers_are_handed_out_once,
    commits::a_change_is_written_once,
    commits::a_torn_group_leaves_nothing,
    commits::a_key_is_used_once,
    commits::a_refused_change_hides_nothing_from_the_next,
    commits::a_document_number_is_taken_once,
    commits::a_row_that_stands_already_is_damage,
    commits::many_are_committed_at_once,
    commits::refusals_are_numbered_without_gaps,
    commits::of_many_who_write_to_a_case_one_wins,
    commits::whoever_sleeps_hears_of_a_near_deadline,
    commits::a_refusal_with_a_zero_in_it_is_recorded,
    commits::a_write_that_was_begun_is_finished_though_nobody_waits,
    lists::what_is_set_aside_is_not_due,
    lists::a_digest_goes_out_once_a_day,
    lists::the_ledger_is_paged_in_its_order,
    lists::the_ledger_is_filtered,
    lists::a_corrected_text_is_found_by_its_new_words,
    lists::what_no_text_can_hold_is_found_nowhere,
    lists::what_is_owed_is_paged_in_its_order,
    lists::cases_are_counted,
    rows::rows_are_shown_as_stored,
    rows::a_table_is_paged_and_replaced,
    rows::a_case_is_rebuilt_unless_it_moved,
    rows::a_tenant_sees_nothing_of_another,
}
