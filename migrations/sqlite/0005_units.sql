-- What is owed by a unit, and what is owed by a role bound to none, in the order of the lists: two indexes instead of
-- one, since a column that IS NULL keeps a walk of it in no order on a server. A row is in one of them.
DROP INDEX cases_unit;
CREATE INDEX cases_unit ON cases (tenant_id, owner_unit, overdue_from, number) WHERE owner_unit IS NOT NULL;
CREATE INDEX cases_no_unit ON cases (tenant_id, overdue_from, number) WHERE owner_unit IS NULL;
DROP INDEX obligations_unit;
CREATE INDEX obligations_unit ON obligations (tenant_id, owner_unit, due_day, case_id, deadline_no)
    WHERE owner_unit IS NOT NULL;
CREATE INDEX obligations_no_unit ON obligations (tenant_id, due_day, case_id, deadline_no) WHERE owner_unit IS NULL;
