# Lines of INFO until `# EOF`, then the figures that were among them. Names are those of redis_exporter
# where it has them.
function figure(kind, name, value) {
  printf "# TYPE %s %s\n%s{store=\"%s\"} %s\n", name, kind, name, store, value
}

BEGIN { FS = ":"; keys = 0 }
{ sub(/\r$/, "") }

/^# EOF$/ {
  figure("gauge", "redis_memory_used_bytes", info["used_memory"])
  figure("gauge", "redis_memory_max_bytes", info["maxmemory"])
  figure("gauge", "redis_connected_clients", info["connected_clients"])
  figure("gauge", "redis_keys", keys)
  figure("counter", "redis_commands_processed_total", info["total_commands_processed"])
  figure("counter", "redis_evicted_keys_total", info["evicted_keys"])
  figure("counter", "redis_expired_keys_total", info["expired_keys"])
  figure("counter", "redis_keyspace_hits_total", info["keyspace_hits"])
  figure("counter", "redis_keyspace_misses_total", info["keyspace_misses"])
  if (info["aof_enabled"])
    figure("gauge", "redis_aof_last_write_ok", info["aof_last_write_status"] == "ok")
  print
  # A Redis without keys says nothing of them.
  keys = 0
  next
}

/^(#.*)?$/ { next }
/^db0:keys=/ { split($2, part, /[=,]/); keys = part[2]; next }
/^[a-z0-9_]+:/ { info[$1] = $2; next }
{ print "figures: " store ": " $0 >"/dev/stderr"; exit 1 }
