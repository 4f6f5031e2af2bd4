-- Every entry of these names its case, so that no two cases ever have the same: looking for equal ones whenever a page
-- is full saves nothing.
ALTER INDEX cases_overdue SET (deduplicate_items = off);
ALTER INDEX cases_unit SET (deduplicate_items = off);
ALTER INDEX cases_no_unit SET (deduplicate_items = off);
ALTER INDEX cases_state SET (deduplicate_items = off);
ALTER INDEX obligations_due SET (deduplicate_items = off);
ALTER INDEX obligations_unit SET (deduplicate_items = off);
ALTER INDEX obligations_no_unit SET (deduplicate_items = off);
ALTER INDEX obligations_role SET (deduplicate_items = off);
