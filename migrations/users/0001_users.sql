-- A user's row lives in the shard of the bucket of his id; the claim on his e-mail address lives in
-- the shard of the bucket of the address. So no constraint may span the two tables.

create table users.users (
    bucket smallint not null check (bucket between 0 and 255),
    id uuid not null,
    email text not null,
    name text not null,
    -- In PHC form: algorithm, parameters, salt and hash.
    password_hash text not null,
    staff boolean not null default false,
    created_at timestamptz not null,
    primary key (bucket, id)
);

-- Who has which address: the look-up at log-in. A claim comes before its user.
create table users.emails (
    bucket smallint not null check (bucket between 0 and 255),
    email text not null,
    user_id uuid not null,
    created_at timestamptz not null,
    primary key (bucket, email)
);

-- `last_seen_at` changes often and has no index, so that its updates stay within their page.
create table users.sessions (
    bucket smallint not null check (bucket between 0 and 255),
    -- SHA-256 of the token.
    token_hash bytea not null check (length(token_hash) = 32),
    user_id uuid not null,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (bucket, token_hash)
) with (fillfactor = 90);

create index sessions_expires_at_idx on users.sessions (expires_at);
