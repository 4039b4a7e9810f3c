-- What caches must hear of. Each change of a product or of its stock gets a new version, and leaves word
-- in the outbox within the same transaction. By triggers, so that none forgets it: no query of the
-- shop, no program of an older version, no hand with psql.

-- One for all rows, so that one that is deleted and made anew does not count from 1 again.
create sequence inventory.versions;

alter table inventory.stock add column version bigint not null default 0;

-- Rows are there for milliseconds where there is a cache: the feed tells it, and deletes them. Dead ones
-- must not pile up, as all of them are walked through 40 times a second.
create table inventory.outbox (
    id bigint generated always as identity primary key,
    sku text collate "C" not null,
    version bigint not null,
    created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create function inventory.note_change() returns trigger language plpgsql as $$
declare
    next bigint := nextval('inventory.versions');
begin
    if tg_op = 'DELETE' then
        insert into inventory.outbox (sku, version) values (old.sku, next);
        return old;
    end if;
    new.version := next;
    insert into inventory.outbox (sku, version) values (new.sku, next);
    return new;
end
$$;

-- A new product, too: it may be known that there is none.
create trigger stock_changes before insert or update or delete on inventory.stock
    for each row execute function inventory.note_change();

-- Name, description, price: shown together with the stock, under its version.
create function inventory.note_product() returns trigger language plpgsql as $$
begin
    update inventory.stock set version = version where sku = new.sku;
    return null;
end
$$;

create trigger product_changes after update on inventory.products
    for each row execute function inventory.note_product();
