-- Instants are microseconds since 1970 (UTC). Days are TEXT 'YYYY-MM-DD'. tenant_id leads every key.

CREATE TABLE store_settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE tenants (
    tenant_id TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    organisation_version INTEGER NOT NULL
) STRICT;

CREATE TABLE calendars (
    tenant_id TEXT NOT NULL,
    calendar_id TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The largest is the newest.
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    loaded_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, calendar_id, version),
    UNIQUE (tenant_id, sequence)
) STRICT;

CREATE TABLE definitions (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- The largest is the newest.
    sequence INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    edition TEXT NOT NULL,
    body BLOB NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    UNIQUE (tenant_id, sequence)
) STRICT;

CREATE TABLE case_numbers (
    tenant_id TEXT NOT NULL,
    prefix TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, prefix)
) STRICT;

CREATE TABLE cases (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    number TEXT NOT NULL,
    workflow TEXT NOT NULL,
    definition_hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    main_state TEXT NOT NULL,
    at_rest INTEGER NOT NULL,
    owner_role TEXT,
    owner_unit TEXT,
    enterprise TEXT,
    area TEXT,
    sector TEXT,
    source TEXT,
    level TEXT,
    search TEXT,
    legal_due TEXT,
    -- Its local day: a moment is stored in UTC.
    legal_due_day TEXT,
    enterprise_breach INTEGER NOT NULL,
    regulator_breach INTEGER NOT NULL,
    department TEXT,
    paused INTEGER NOT NULL,
    -- From when on the case is overdue unless it moves; the largest integer where no clock runs, so that
    -- lists can walk an index on it. By enterprise and by regulator apart: NULL where no clock runs.
    overdue_from INTEGER NOT NULL,
    enterprise_overdue_from INTEGER,
    regulator_overdue_from INTEGER,
    provisional INTEGER NOT NULL,
    unverified INTEGER NOT NULL,
    wake_at INTEGER,
    state TEXT NOT NULL,
    PRIMARY KEY (tenant_id, case_id),
    UNIQUE (tenant_id, number)
) STRICT;

-- The worker's sweep, and nothing else: a million cases at rest cost it nothing.
CREATE INDEX cases_wake ON cases (tenant_id, wake_at) WHERE wake_at IS NOT NULL;

-- The ledger, the most overdue first: all of it, of a unit, of a state.
CREATE INDEX cases_overdue ON cases (tenant_id, overdue_from, number);
CREATE INDEX cases_unit ON cases (tenant_id, owner_unit, overdue_from, number);
CREATE INDEX cases_state ON cases (tenant_id, main_state, overdue_from, number);
-- What was done to an enterprise, in all its cases.
CREATE INDEX cases_enterprise ON cases (tenant_id, enterprise);
CREATE INDEX cases_provisional ON cases (tenant_id) WHERE provisional = 1;
CREATE INDEX cases_unverified ON cases (tenant_id) WHERE unverified = 1;

-- Append-only. `body` is the act; every other column is a copy that `verify` compares.
CREATE TABLE acts (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    person_id TEXT,
    algorithm TEXT NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version)
) STRICT;

CREATE TABLE obligations (
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
) STRICT;

-- Who owes what by when.
CREATE INDEX obligations_due ON obligations (tenant_id, due_day, case_id, deadline_no);
CREATE INDEX obligations_unit ON obligations (tenant_id, owner_unit, due_day, case_id, deadline_no);
CREATE INDEX obligations_role ON obligations (tenant_id, owner_role, due_day, case_id, deadline_no);

-- What a case counted as in a circular, from when to when: the circular of any day can be drawn up again.
CREATE TABLE history (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER,
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
) STRICT;

-- What holds now, one row per case; and what held on a past day, without all that ended before it.
CREATE UNIQUE INDEX history_open ON history (tenant_id, case_id) WHERE to_at IS NULL;
CREATE INDEX history_ended ON history (tenant_id, to_at) WHERE to_at IS NOT NULL;

-- One row per rung and repetition: the constraint behind "exactly once" (I3).
CREATE TABLE rungs (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    deadline_no INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    ladder TEXT NOT NULL,
    rung TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    act_version INTEGER NOT NULL,
    result TEXT NOT NULL,
    measure TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    UNIQUE (tenant_id, case_id, deadline_no, revision, ladder, rung, repeat)
) STRICT;

-- How late the newest were.
CREATE INDEX rungs_recorded ON rungs (tenant_id, recorded_at) WHERE result = 'fired';

-- The outbox. Ids are derived, so a notice written twice is one notice.
CREATE TABLE notices (
    tenant_id TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    act_version INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    measure TEXT NOT NULL,
    template TEXT,
    -- Roles it was meant for and nobody holds, with commas.
    unreached TEXT NOT NULL,
    ladder TEXT NOT NULL,
    rung TEXT NOT NULL,
    deadline_no INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    delivery_id TEXT,
    PRIMARY KEY (tenant_id, case_id, notice_id)
) STRICT;

-- What waits, by recipient (no delivery yet); and the lines of a digest.
CREATE INDEX notices_delivery ON notices (tenant_id, delivery_id, recipient);

-- The in-app inbox: one digest per recipient and day.
CREATE TABLE deliveries (
    tenant_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    day TEXT NOT NULL,
    delivered_at INTEGER NOT NULL,
    notices INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id),
    UNIQUE (tenant_id, recipient, day)
) STRICT;

CREATE TABLE idempotency (
    tenant_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT;

CREATE TABLE refusals (
    tenant_id TEXT NOT NULL,
    refusal_no INTEGER NOT NULL,
    at INTEGER NOT NULL,
    case_id TEXT NOT NULL,
    person_id TEXT,
    act TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant_id, refusal_no)
) STRICT;

-- Personal values and their salts, kept apart so that they can be erased without breaking the chain.
CREATE TABLE personal (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    field TEXT NOT NULL,
    salt TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version, field)
) STRICT;
