-- What the audit log beside this file ends with, and what auditors compare with. No patient
-- data: names are the operator's or the manifest's.

-- One row: the last line that is known to be written.
CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL CHECK (seq > 0),
    hash TEXT    NOT NULL CHECK (length(hash) = 64)
) STRICT;

-- As it was seen last, to tell what has changed since: digests of settings and of plugins, and
-- when the log was checked.
CREATE TABLE seen (
    subject TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;

-- What the guests of a stage really called. Goes with the export.
CREATE TABLE plugin_use (
    export    INTEGER NOT NULL REFERENCES export (seq) ON DELETE CASCADE,
    stage     TEXT    NOT NULL,
    digest    TEXT    NOT NULL,
    interface TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    calls     INTEGER NOT NULL CHECK (calls >= 0),
    bytes     INTEGER NOT NULL CHECK (bytes >= 0),
    refused   INTEGER NOT NULL CHECK (refused >= 0),
    at        INTEGER NOT NULL,
    PRIMARY KEY (export, stage, digest, interface, name)
) STRICT, WITHOUT ROWID;
