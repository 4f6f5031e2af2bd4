-- tenant_id leads every key, here too; '' is the store as a whole.
CREATE TABLE settings (
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;
INSERT INTO settings (tenant_id, name, value) SELECT '', name, value FROM store_settings;
DROP TABLE store_settings;
ALTER TABLE settings RENAME TO store_settings;

-- In words both databases understand, and with all that is asked for in the index itself.
DROP INDEX cases_provisional;
DROP INDEX cases_unverified;
CREATE INDEX cases_provisional ON cases (tenant_id, provisional) WHERE provisional;
CREATE INDEX cases_unverified ON cases (tenant_id, unverified) WHERE unverified;
