-- Rows found by nothing but their key, or by indexes that name it anyway, lie in its order: one tree is changed for
-- each instead of two.
CREATE TABLE obligations_by_key (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    deadline_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    owner_role TEXT NOT NULL,
    owner_unit TEXT,
    due_day TEXT NOT NULL,
    due TEXT NOT NULL,
    breached INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, case_id, deadline_no)
) STRICT, WITHOUT ROWID;
INSERT INTO obligations_by_key SELECT * FROM obligations ORDER BY tenant_id, case_id, deadline_no;
DROP TABLE obligations;
ALTER TABLE obligations_by_key RENAME TO obligations;
CREATE INDEX obligations_due ON obligations (tenant_id, due_day, case_id, deadline_no);
CREATE INDEX obligations_unit ON obligations (tenant_id, owner_unit, due_day, case_id, deadline_no)
    WHERE owner_unit IS NOT NULL;
CREATE INDEX obligations_no_unit ON obligations (tenant_id, due_day, case_id, deadline_no) WHERE owner_unit IS NULL;
CREATE INDEX obligations_role ON obligations (tenant_id, owner_role, due_day, case_id, deadline_no);

CREATE TABLE history_by_key (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT,
    department TEXT,
    dispatched_at INTEGER,
    legal_breach_at INTEGER,
    met_in_time INTEGER NOT NULL,
    enterprise_overdue_from INTEGER,
    enterprise_role TEXT,
    enterprise_unit TEXT,
    regulator_overdue_from INTEGER,
    regulator_role TEXT,
    regulator_unit TEXT,
    late_extensions INTEGER NOT NULL,
    supplementary INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version)
) STRICT, WITHOUT ROWID;
INSERT INTO history_by_key SELECT * FROM history ORDER BY tenant_id, case_id, version;
DROP TABLE history;
ALTER TABLE history_by_key RENAME TO history;

CREATE TABLE idempotency_by_key (
    tenant_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency_by_key SELECT * FROM idempotency ORDER BY tenant_id, key;
DROP TABLE idempotency;
ALTER TABLE idempotency_by_key RENAME TO idempotency;
