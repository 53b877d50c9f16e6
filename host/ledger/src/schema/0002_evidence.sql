-- What speaks for and against completeness, and what is left on the server. No patient data.

ALTER TABLE export ADD COLUMN evidence TEXT;       -- the app's JSON, as of the kick-off
ALTER TABLE export ADD COLUMN released_at INTEGER; -- the server's job needs no DELETE any more
ALTER TABLE file ADD COLUMN unproven INTEGER NOT NULL DEFAULT 0 CHECK (unproven IN (0, 1));

-- What ended before this step was deleted by its own run, or is long gone.
UPDATE export SET released_at = finished_at;

-- `subject` names what is counted, in the app's words: it outlives streams, because what the
-- server holds does not depend on what our plugins make of it.
CREATE TABLE baseline (
    subject       TEXT    NOT NULL,
    resource_type TEXT    NOT NULL,
    full_count    INTEGER CHECK (full_count >= 0),
    full_at       INTEGER,
    runs          INTEGER NOT NULL CHECK (runs >= 0),
    resources     INTEGER NOT NULL CHECK (resources >= 0),
    quiet         INTEGER NOT NULL CHECK (quiet >= 0),
    longest_quiet INTEGER NOT NULL CHECK (longest_quiet >= 0),
    PRIMARY KEY (subject, resource_type)
) STRICT, WITHOUT ROWID;

-- `export` names an export without referring to it: who accepted what outlives the journal.
CREATE TABLE omission (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    stream        TEXT    NOT NULL,
    export        TEXT    NOT NULL,
    resource_type TEXT    NOT NULL,
    verdict       TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    accepted_by   TEXT    NOT NULL,
    at            INTEGER NOT NULL
) STRICT;

CREATE INDEX omission_stream ON omission (stream, seq);
