-- What a case is found by, apart from its head: a head moves with every act, and its text hardly ever. `grams` holds
-- the text in pairs of neighbouring letters, made by the program: words of two characters are found, in a language
-- that writes no spaces, whatever the server takes for a word. In a store from before, `rebuild` writes them.
CREATE TABLE texts (
    tenant_id TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    grams TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, case_id)
);
CREATE INDEX texts_grams ON texts USING gin (array_to_tsvector(string_to_array(grams, ' ')));
ALTER TABLE cases DROP COLUMN search;
