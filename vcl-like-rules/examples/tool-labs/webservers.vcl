# The machines that run tools. What a tool is told of its visitors is an address that stands for one of them for a
# day and leads to nobody; that is the default, and no tool can ask for more.

probe alive {
    .url      = "/alive";
    .interval = 10s;
}

# PHP and files, hundreds of tools on each
backend php_one { .url = "http://192.0.2.21:8080"; .max_connections = 150; .probe = alive; }
backend php_two { .url = "http://192.0.2.22:8080"; .max_connections = 150; .probe = alive; }

# Python, Node and whatever else holds a port of its own
backend generic { .url = "http://192.0.2.23:8080"; .max_connections = 300; .probe = alive; }

# Tools that need to know from which town somebody comes, and nothing nearer.
backend geography { .url = "http://192.0.2.24:8080"; .visitor_address = cut; }

# The landing page: every tool with what its maintainers say of it, made anew whenever tools.txt changes.
backend landing { .url = "unix:/run/landing/landing.sock"; }

backend nobody none;

table tools BACKEND { from file "tools.txt"; }
