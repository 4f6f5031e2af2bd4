-- What a case counted as holds until the next row of it: when that began need not be written beside it as well.
DROP INDEX history_open;
DROP INDEX history_ended;
ALTER TABLE history DROP COLUMN to_at;
