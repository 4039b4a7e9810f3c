# Varnish as the same cache: what it adds to answers. Vary, conditionals and collapsing are its own.
vcl 4.1;

backend origin {
  .host = "127.0.0.1";
  .port = "9001";
}

sub vcl_recv {
  # By itself it would pass all who have one.
  unset req.http.Cookie;
}

sub vcl_deliver {
  set resp.http.X-Request-Id = req.xid;
  set resp.http.Server-Timing = "cdn;desc=varnish;dur=0.1";
  if (obj.hits > 0) {
    set resp.http.Cache-Status = "varnish; hit";
  } else {
    set resp.http.Cache-Status = "varnish; fwd=miss";
  }
}
