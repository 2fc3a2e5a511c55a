# A file that begins with a comment
/* and another
   one */
vcl 4.1;

backend default
{
  .host   = "127.0.0.1" ;
  .port   = "2368" ;
  .probe  = { .url = "/" ; .interval = 1m ; }
}

sub vcl_recv
{
  if (
    req.url ~ "^/ghost" ||
    req.url ~ "^/p/"    // previews
  )
  {
    return(pass);
  }
  else
  {
    unset req.http.cookie ;
  }
}

sub vcl_backend_response
{
  if (bereq.url !~ "^/ghost") { unset beresp.http.set-cookie; }
  set beresp.ttl   = 1h ;
  set beresp.grace = 1d ;
}
