-- What makes version 1 of a store. A step that was released is never changed.

CREATE TABLE hosts (
    digest TEXT PRIMARY KEY,
    cpu TEXT NOT NULL,
    cores BIGINT NOT NULL,
    memory BIGINT NOT NULL);

CREATE TABLE results (
    digest TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    task TEXT NOT NULL,
    machines TEXT NOT NULL,
    verdict TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    program TEXT NOT NULL,
    says TEXT NOT NULL,
    detail TEXT NOT NULL);

CREATE TABLE campaigns (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    plan TEXT NOT NULL,
    stop BIGINT NOT NULL DEFAULT 0);

CREATE TABLE shards (
    campaign TEXT NOT NULL REFERENCES campaigns(name),
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    task TEXT NOT NULL,
    work TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    needs_qemu BIGINT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    took DOUBLE PRECISION NOT NULL DEFAULT 0,
    programs BIGINT NOT NULL DEFAULT 0,
    results BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, number),
    UNIQUE (campaign, digest));

CREATE TABLE sightings (
    campaign TEXT NOT NULL,
    shard BIGINT NOT NULL,
    result TEXT NOT NULL REFERENCES results(digest),
    place BIGINT NOT NULL,
    version TEXT NOT NULL,
    kernels TEXT NOT NULL,
    seed BIGINT,
    host TEXT NOT NULL REFERENCES hosts(digest),
    PRIMARY KEY (campaign, shard, result),
    FOREIGN KEY (campaign, shard) REFERENCES shards(campaign, number));
