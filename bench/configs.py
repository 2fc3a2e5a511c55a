"""The configurations of every program in the bench, in one place, so that a reader can judge whether they are fair.

All three gateways: one worker, keep-alive to the backend, access log on, X-Forwarded-For set, TLS 1.2 and 1.3 with
the same ECDSA P-256 certificate, key exchange X25519 (the load generators offer no other first), the cipher the
client puts first, sessions issued by default but never resumed by the client. Buffers are Debian's defaults.
"""

# The backend: static files from memory. Not measured; it shares its core with the load.
BACKEND = """
worker_processes 1;
daemon off;
pid {dir}/backend.pid;
error_log {dir}/backend.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    open_file_cache max=16 inactive=600s;
    open_file_cache_valid 600s;
    client_body_temp_path {dir}/backend-body;
    proxy_temp_path {dir}/backend-proxy;
    fastcgi_temp_path {dir}/backend-fastcgi;
    uwsgi_temp_path {dir}/backend-uwsgi;
    scgi_temp_path {dir}/backend-scgi;
    server {{
        listen 127.0.0.1:{backend} backlog=4096;
        root {files};
        # Every route of the routes case ends here.
        location /r/ {{ try_files /1k =404; }}
    }}
}}
"""

# Debian's nginx.conf where it matters: unbuffered access_log in the combined format, default proxy buffers.
NGINX = """
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log warn;
worker_rlimit_nofile {files_max};
events {{ worker_connections 16384; }}
http {{
    access_log {dir}/nginx-access.log combined;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream backend {{
        server 127.0.0.1:{backend};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    upstream program {{
        server 127.0.0.1:{fastcgi};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519;
    ssl_certificate {dir}/chain.pem;
    ssl_certificate_key {dir}/key.pem;
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl http2 backlog=4096;
        server_name localhost;
        location / {{ proxy_pass http://backend; }}
        location /static/ {{ alias {dir}/static/; }}
        # Debian's snippets/fastcgi-php.conf and fastcgi.conf, with connections kept as everywhere here.
        location ~ \\.php$ {{
            root {files};
            fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
            try_files $fastcgi_script_name =404;
            set $path_info $fastcgi_path_info;
            fastcgi_param PATH_INFO $path_info;
            fastcgi_index index.php;
            fastcgi_keep_conn on;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param DOCUMENT_URI $document_uri;
            fastcgi_param DOCUMENT_ROOT $document_root;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param REQUEST_SCHEME $scheme;
            fastcgi_param HTTPS $https if_not_empty;
            fastcgi_param GATEWAY_INTERFACE CGI/1.1;
            fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param REDIRECT_STATUS 200;
            fastcgi_pass program;
        }}
    }}
}}
"""

# Debian's haproxy.cfg where it matters: httplog, its timeouts. Its log goes to a UDP port of ours instead of /dev/log.
HAPROXY = """
global
    nbthread 1
    maxconn 8192
    log 127.0.0.1:{syslog} local0
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-curves X25519
defaults
    mode http
    log global
    option httplog
    option dontlognull
    option forwardfor
    timeout connect 5000
    timeout client 50000
    timeout server 50000
frontend front
    bind 127.0.0.1:{http} backlog 4096
    bind 127.0.0.1:{https} backlog 4096 ssl crt {dir}/both.pem alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    use_backend program if {{ path_end .php }}
    default_backend back
backend back
    server files 127.0.0.1:{backend}
fcgi-app hello
    docroot {files}
    index index.php
backend program
    use-fcgi-app hello
    server program 127.0.0.1:{fastcgi} proto fcgi
"""

# Doorward as it comes, with the caps per network lifted: the whole load has one address. `routes` is one row for `/`,
# or many for the routes case.
DOORWARD = """
gateway {{
    .http = "127.0.0.1:{http}";
    .https = "127.0.0.1:{https}";
    .admin = "127.0.0.1:{admin}";
    .state = "{dir}/{name}";
    .workers = 1;
    .connections_max = 16384;
    .connections_per_network_max = 16384;
}}
backend files {{ .url = "http://127.0.0.1:{backend}"; .idle_max = 64; }}
backend program {{ .url = "fastcgi://127.0.0.1:{fastcgi}"; .idle_max = 64; }}
site "localhost" {{
    .certificate = files("{dir}/chain.pem", "{dir}/key.pem");
    .force_https = no;
    route "/static/" {{ .files = "{dir}/static"; }}
{routes}
    route "/script/" {{ .backend = program; .root = "{files}"; }}
}}
"""

ONE_ROUTE = '    route "/" { .backend = files; }'


def many_routes(count):
    """`/r/0/` to `/r/COUNT-1/`, as a community with that many projects would have them."""
    return "\n".join(f'    route "/r/{number}/" {{ .backend = files; }}' for number in range(count))


# wrk: each request to another route, in a stride that visits all of them.
ROUTES_LUA = """
local count, at, stride = {count}, 0, 7919
wrk.headers["Host"] = "localhost"
function request()
    at = (at + stride) % count
    return wrk.format("GET", "/r/" .. at .. "/page")
end
"""
