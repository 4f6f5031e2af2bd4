-- What a case is found by, apart from its head: a head moves with every act, and its text hardly ever. `grams` holds
-- the text in pairs of neighbouring letters, made by the program: words of two characters are found, in a language
-- that writes no spaces. In a store from before, `rebuild` writes them.
CREATE TABLE texts (
    tenant_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    text TEXT NOT NULL,
    grams TEXT NOT NULL,
    -- What the index below calls it by.
    text_no INTEGER PRIMARY KEY,
    UNIQUE (tenant_id, case_id)
) STRICT;
CREATE VIRTUAL TABLE texts_grams USING fts5 (
    grams, content='', contentless_delete=1, detail='none',
    -- The one for which every letter beyond ASCII is one, also what Unicode has named since.
    tokenize='ascii'
);
-- It has no rows of its own; it is kept with those of the table, like any other index.
CREATE TRIGGER texts_put AFTER INSERT ON texts BEGIN
    INSERT INTO texts_grams (rowid, grams) VALUES (new.text_no, new.grams);
END;
CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN
    DELETE FROM texts_grams WHERE rowid = old.text_no;
END;
CREATE TRIGGER texts_changed AFTER UPDATE ON texts BEGIN
    DELETE FROM texts_grams WHERE rowid = old.text_no;
    INSERT INTO texts_grams (rowid, grams) VALUES (new.text_no, new.grams);
END;
ALTER TABLE cases DROP COLUMN search;
