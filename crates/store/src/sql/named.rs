//! Cases by a text that stands in them, or by what their enterprise is called.

use machine::value::TenantId;
use sqlx::{QueryBuilder, Row as _};

use super::row::count;
use super::{
    Connection, Db, EACH_ONCE, NO_INDEX, POSITION, Row, asked, push_found, push_list, push_of_enterprises,
};
use crate::StoreError;

type Query<'a> = QueryBuilder<Db>;

/// From so many cases on, those that come first are looked for among all in their order: an index finds every one of
/// them before it is known which come first.
const MANY: i64 = 5_000;

/// What cases are asked for by.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// The text that stands in them…
    pub(super) text: &'a str,
    /// …or one of their enterprises, which are called so.
    pub(super) called: &'a [String],
    /// Which of them are read, and how they are come to.
    pub(super) how: How,
}

/// How cases are come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Found all, each once, and then looked up: hardly ever are there many.
    Found,
    /// Those the text stands in, found and looked up one after the other: which of them come first is all the same.
    OneByOne,
    /// Those of the enterprises in which the text does not stand.
    Others,
    /// All cases, in the order of the list, and of each whether it is one.
    InOrder,
}

/// Whether there are many.
pub(super) async fn are_many(
    lookup: &mut Connection,
    tenant: &TenantId,
    named: Named<'_>,
) -> Result<bool, StoreError> {
    let mut query = Query::new("SELECT count(*) FROM (");
    push_found(&mut query, tenant, named.text, "");
    if !named.called.is_empty() {
        push_of_enterprises(query.push(" UNION ALL "), tenant, named.called);
    }
    query.push(" LIMIT ").push_bind(MANY).push(") AS counted");
    Ok(count(&query.build().fetch_one(lookup).await?, 0)? == MANY.unsigned_abs())
}

/// Whether a case read in order is one of them.
pub(super) fn is_one(row: &Row) -> Result<bool, StoreError> {
    Ok(row.try_get("is_one")?)
}

impl Named<'_> {
    /// Adds what is read of cases, and what it is read from.
    pub(super) fn push_from(&self, query: &mut Query<'_>, tenant: &TenantId) {
        match self.how {
            How::InOrder => {
                self.push_is_one(query, tenant);
                query.push(" FROM cases");
                return;
            }
            How::Others => push_of_enterprises(query.push(" FROM ("), tenant, self.called),
            How::OneByOne => push_found(query.push(" FROM ("), tenant, self.text, ""),
            How::Found => {
                push_found(query.push(" FROM ("), tenant, self.text, EACH_ONCE);
                if !self.called.is_empty() {
                    push_of_enterprises(query.push(" UNION "), tenant, self.called);
                }
            }
        }
        query.push(format!(") AS found {} cases ON case_id = found_id", join_in_order!()));
    }

    /// Adds what has to be true of each case.
    pub(super) fn push_condition(&self, query: &mut Query<'_>, tenant: &TenantId) {
        if self.how == How::Others {
            query.push(" AND NOT ");
            self.push_stands(query, tenant);
        }
    }

    fn push_is_one(&self, query: &mut Query<'_>, tenant: &TenantId) {
        query.push(", (");
        self.push_stands(query, tenant);
        if !self.called.is_empty() {
            query.push(format!(" OR coalesce({NO_INDEX}enterprise "));
            push_list(query, self.called);
            query.push(", FALSE)");
        }
        query.push(") AS is_one");
    }

    /// Adds whether the text stands in the case: a look by its key.
    fn push_stands(&self, query: &mut Query<'_>, tenant: &TenantId) {
        query.push(format!("coalesce((SELECT {POSITION}(t.text, ")).push_bind(asked(self.text));
        query.push(") FROM texts t WHERE t.tenant_id = ").push_bind(tenant.as_str().to_owned());
        query.push(" AND t.case_id = cases.case_id), 0) > 0");
    }
}
