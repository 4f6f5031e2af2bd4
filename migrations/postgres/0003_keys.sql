-- tenant_id leads every key, here too; '' is the store as a whole.
ALTER TABLE store_settings ADD COLUMN tenant_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE store_settings ALTER COLUMN tenant_id DROP DEFAULT;
ALTER TABLE store_settings DROP CONSTRAINT store_settings_pkey;
ALTER TABLE store_settings ADD PRIMARY KEY (tenant_id, name);

-- In words both databases understand, and with all that is asked for in the index itself.
DROP INDEX cases_provisional;
DROP INDEX cases_unverified;
CREATE INDEX cases_provisional ON cases (tenant_id, provisional) WHERE provisional;
CREATE INDEX cases_unverified ON cases (tenant_id, unverified) WHERE unverified;
