-- The registers of document numbers (文号). Gapless: a number is taken by the act that names it, in its own
-- transaction. A document over several cases has a part in each of them, counted from 0.
CREATE TABLE documents (
    tenant_id TEXT COLLATE "C" NOT NULL,
    year BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    no BIGINT NOT NULL,
    part BIGINT NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    act_version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, year, code, no, part)
);

-- Of some cases, for `verify`.
CREATE INDEX documents_case ON documents (tenant_id, case_id);
