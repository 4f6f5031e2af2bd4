-- The registers of document numbers (文号). Gapless: a number is taken by the act that names it, in its own
-- transaction. A document over several cases has a part in each of them, counted from 0.
CREATE TABLE documents (
    tenant_id TEXT NOT NULL,
    year INTEGER NOT NULL,
    code TEXT NOT NULL,
    no INTEGER NOT NULL,
    part INTEGER NOT NULL,
    case_id TEXT NOT NULL,
    act_version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, year, code, no, part)
) STRICT;

-- Of some cases, for `verify`.
CREATE INDEX documents_case ON documents (tenant_id, case_id);
