//! Cases by a text that stands in them, or by what their enterprise is called.

use machine::value::TenantId;
use sqlx::QueryBuilder;

use super::row::count;
use super::{
    Connection, Db, EACH_ONCE, NO_INDEX, POSITION, asked, push_found, push_list, push_of_enterprises,
};
use crate::StoreError;

type Query<'a> = QueryBuilder<Db>;

/// From so many texts on, those that come first are looked for among the cases in their order: the index finds all of
/// them before it is known which come first.
const MANY: i64 = 5_000;

/// What cases are asked for by.
pub(super) struct Named<'a> {
    /// The text that stands in them…
    pub(super) text: &'a str,
    /// …or one of their enterprises, which are called so.
    pub(super) called: &'a [String],
    /// How they are come to.
    pub(super) how: How,
}

/// How the cases a text stands in are come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Found all, each once, and then looked up: hardly ever are there many.
    Found,
    /// Found and looked up one after the other, until there are enough: which of them is all the same.
    OneByOne,
    /// Looked at in the order of the list, until a page is full.
    InOrder,
}

/// Whether a text stands in many cases.
pub(super) async fn are_many(
    lookup: &mut Connection,
    tenant: &TenantId,
    text: &str,
) -> Result<bool, StoreError> {
    let mut query = Query::new("SELECT count(*) FROM (");
    push_found(&mut query, tenant, text, "");
    query.push(" LIMIT ").push_bind(MANY).push(") AS counted");
    Ok(count(&query.build().fetch_one(lookup).await?, 0)? == MANY.unsigned_abs())
}

impl Named<'_> {
    /// Adds what the columns of cases are read from.
    pub(super) fn push_from(&self, query: &mut Query<'_>, tenant: &TenantId) {
        let each = match self.how {
            How::Found => EACH_ONCE,
            How::OneByOne => "",
            How::InOrder => {
                query.push("cases");
                return;
            }
        };
        query.push("(");
        push_found(query, tenant, self.text, each);
        if !self.called.is_empty() {
            query.push(" UNION ");
            push_of_enterprises(query, tenant, self.called);
        }
        query.push(format!(") AS found {} cases ON case_id = found_id", join_in_order!()));
    }

    /// Adds what has to be true of each case.
    pub(super) fn push_condition(&self, query: &mut Query<'_>, tenant: &TenantId) {
        if self.how != How::InOrder {
            return;
        }
        query.push(format!(" AND ((SELECT {POSITION}(t.text, ")).push_bind(asked(self.text));
        query.push(") FROM texts t WHERE t.tenant_id = ").push_bind(tenant.as_str().to_owned());
        query.push(" AND t.case_id = cases.case_id) > 0");
        if !self.called.is_empty() {
            query.push(format!(" OR {NO_INDEX}enterprise "));
            push_list(query, self.called);
        }
        query.push(")");
    }
}
