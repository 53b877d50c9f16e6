-- Who was in a cohort, many to a row: a row for each patient took a second a million to write, and
-- a run writes three such lists. Keys rise within a piece and from piece to piece.

CREATE TABLE cohort_piece (
    snapshot INTEGER NOT NULL REFERENCES cohort_snapshot (seq) ON DELETE CASCADE,
    piece    INTEGER NOT NULL CHECK (piece >= 0),
    keys     BLOB    NOT NULL CHECK (length(keys) > 0 AND length(keys) % 16 = 0),
    PRIMARY KEY (snapshot, piece)
) STRICT;

-- What is there already keeps a piece for each patient until it is written anew.
INSERT INTO cohort_piece (snapshot, piece, keys)
SELECT snapshot, row_number() OVER (PARTITION BY snapshot ORDER BY key) - 1, key
FROM cohort_member;

DROP TABLE cohort_member;
