-- Around the ledgers of resources, which are databases of their own.

-- Entries of this file beyond line `through` tell of no delivery: it failed, or was given up.
-- `export` is the hash that the entries name it by, as a signed number.
CREATE TABLE void (
    export  INTEGER NOT NULL,
    file    INTEGER NOT NULL CHECK (file >= 0),
    through INTEGER NOT NULL CHECK (through >= 0),
    PRIMARY KEY (export, file)
) STRICT, WITHOUT ROWID;

-- Who was in a cohort when it was last delivered, as hashes of patient ids.
CREATE TABLE cohort_snapshot (
    seq    INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    cohort TEXT NOT NULL,
    UNIQUE (stream, cohort)
) STRICT;

CREATE TABLE cohort_member (
    snapshot INTEGER NOT NULL REFERENCES cohort_snapshot (seq) ON DELETE CASCADE,
    key      BLOB    NOT NULL CHECK (length(key) = 16),
    PRIMARY KEY (snapshot, key)
) STRICT, WITHOUT ROWID;

-- How far back a stream asks, where it has learnt that the default is too little.
CREATE TABLE overlap (
    stream TEXT    NOT NULL PRIMARY KEY,
    ms     INTEGER NOT NULL CHECK (ms >= 0),
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
