-- What makes version 2 of version 1.
-- Attempts that were lost are counted apart from tries, and a result is found by what one asks for.

ALTER TABLE shards ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;

CREATE INDEX sightings_by_result ON sightings (result);

CREATE INDEX results_by_verdict ON results (verdict, kind);
