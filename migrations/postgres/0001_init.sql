-- Instants are microseconds since 1970 (UTC). Days are TEXT 'YYYY-MM-DD'. tenant_id leads every key. Texts sort
-- by their bytes, as on SQLite, whatever the language of the database is.

CREATE TABLE store_settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE tenants (
    tenant_id TEXT COLLATE "C" PRIMARY KEY,
    organisation TEXT COLLATE "C" NOT NULL,
    organisation_version BIGINT NOT NULL
);

CREATE TABLE calendars (
    tenant_id TEXT COLLATE "C" NOT NULL,
    calendar_id TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    -- The largest is the newest.
    sequence BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    loaded_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, calendar_id, version),
    UNIQUE (tenant_id, sequence)
);

CREATE TABLE definitions (
    tenant_id TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    -- The largest is the newest.
    sequence BIGINT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    edition TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    UNIQUE (tenant_id, sequence)
);

CREATE TABLE case_numbers (
    tenant_id TEXT COLLATE "C" NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, prefix)
);

CREATE TABLE cases (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    definition_hash TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    last_hash TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    main_state TEXT COLLATE "C" NOT NULL,
    at_rest BOOLEAN NOT NULL,
    owner_role TEXT COLLATE "C",
    owner_unit TEXT COLLATE "C",
    enterprise TEXT COLLATE "C",
    area TEXT COLLATE "C",
    sector TEXT COLLATE "C",
    source TEXT COLLATE "C",
    level TEXT COLLATE "C",
    search TEXT COLLATE "C",
    legal_due TEXT COLLATE "C",
    -- Its local day: a moment is stored in UTC.
    legal_due_day TEXT COLLATE "C",
    enterprise_breach BOOLEAN NOT NULL,
    regulator_breach BOOLEAN NOT NULL,
    department TEXT COLLATE "C",
    paused BOOLEAN NOT NULL,
    -- From when on the case is overdue unless it moves; the largest integer where no clock runs, so that
    -- lists can walk an index on it. By enterprise and by regulator apart: NULL where no clock runs.
    overdue_from BIGINT NOT NULL,
    enterprise_overdue_from BIGINT,
    regulator_overdue_from BIGINT,
    provisional BOOLEAN NOT NULL,
    unverified BOOLEAN NOT NULL,
    wake_at BIGINT,
    state TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, case_id),
    UNIQUE (tenant_id, number)
);

-- The worker's sweep, and nothing else: a million cases at rest cost it nothing.
CREATE INDEX cases_wake ON cases (tenant_id, wake_at) WHERE wake_at IS NOT NULL;

-- The ledger, the most overdue first: all of it, of a unit, of a state.
CREATE INDEX cases_overdue ON cases (tenant_id, overdue_from, number);
CREATE INDEX cases_unit ON cases (tenant_id, owner_unit, overdue_from, number);
CREATE INDEX cases_state ON cases (tenant_id, main_state, overdue_from, number);
-- What was done to an enterprise, in all its cases.
CREATE INDEX cases_enterprise ON cases (tenant_id, enterprise);
CREATE INDEX cases_provisional ON cases (tenant_id) WHERE provisional;
CREATE INDEX cases_unverified ON cases (tenant_id) WHERE unverified;

-- Append-only. `body` is the act; every other column is a copy that `verify` compares.
CREATE TABLE acts (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    person_id TEXT COLLATE "C",
    algorithm TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version)
);

CREATE TABLE obligations (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    deadline_no BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    owner_role TEXT COLLATE "C" NOT NULL,
    owner_unit TEXT COLLATE "C",
    due_day TEXT COLLATE "C" NOT NULL,
    due TEXT COLLATE "C" NOT NULL,
    breached BOOLEAN NOT NULL,
    paused BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, case_id, deadline_no)
);

-- Who owes what by when.
CREATE INDEX obligations_due ON obligations (tenant_id, due_day, case_id, deadline_no);
CREATE INDEX obligations_unit ON obligations (tenant_id, owner_unit, due_day, case_id, deadline_no);
CREATE INDEX obligations_role ON obligations (tenant_id, owner_role, due_day, case_id, deadline_no);

-- What a case counted as in a circular, from when to when: the circular of any day can be drawn up again.
CREATE TABLE history (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    stage TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C",
    department TEXT COLLATE "C",
    dispatched_at BIGINT,
    legal_breach_at BIGINT,
    met_in_time BOOLEAN NOT NULL,
    enterprise_overdue_from BIGINT,
    enterprise_role TEXT COLLATE "C",
    enterprise_unit TEXT COLLATE "C",
    regulator_overdue_from BIGINT,
    regulator_role TEXT COLLATE "C",
    regulator_unit TEXT COLLATE "C",
    late_extensions BIGINT NOT NULL,
    supplementary BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version)
);

-- What holds now, one row per case; and what held on a past day, without all that ended before it.
CREATE UNIQUE INDEX history_open ON history (tenant_id, case_id) WHERE to_at IS NULL;
CREATE INDEX history_ended ON history (tenant_id, to_at) WHERE to_at IS NOT NULL;

-- One row per rung and repetition: the constraint behind "exactly once" (I3).
CREATE TABLE rungs (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    deadline_no BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    ladder TEXT COLLATE "C" NOT NULL,
    rung TEXT COLLATE "C" NOT NULL,
    repeat BIGINT NOT NULL,
    act_version BIGINT NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    UNIQUE (tenant_id, case_id, deadline_no, revision, ladder, rung, repeat)
);

-- How late the newest were.
CREATE INDEX rungs_recorded ON rungs (tenant_id, recorded_at) WHERE result = 'fired';

-- The outbox. Ids are derived, so a notice written twice is one notice.
CREATE TABLE notices (
    tenant_id TEXT COLLATE "C" NOT NULL,
    notice_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    act_version BIGINT NOT NULL,
    recipient TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    template TEXT COLLATE "C",
    -- Roles it was meant for and nobody holds, with commas.
    unreached TEXT COLLATE "C" NOT NULL,
    ladder TEXT COLLATE "C" NOT NULL,
    rung TEXT COLLATE "C" NOT NULL,
    deadline_no BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    delivery_id TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, case_id, notice_id)
);

-- What waits, by recipient (no delivery yet); and the lines of a digest.
CREATE INDEX notices_delivery ON notices (tenant_id, delivery_id, recipient);

-- The in-app inbox: one digest per recipient and day.
CREATE TABLE deliveries (
    tenant_id TEXT COLLATE "C" NOT NULL,
    delivery_id TEXT COLLATE "C" NOT NULL,
    recipient TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    delivered_at BIGINT NOT NULL,
    notices BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id),
    UNIQUE (tenant_id, recipient, day)
);

CREATE TABLE idempotency (
    tenant_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

CREATE TABLE refusals (
    tenant_id TEXT COLLATE "C" NOT NULL,
    refusal_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    person_id TEXT COLLATE "C",
    act TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, refusal_no)
);

-- Personal values and their salts, kept apart so that they can be erased without breaking the chain.
CREATE TABLE personal (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    salt TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, case_id, version, field)
);
