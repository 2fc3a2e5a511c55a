# The doors. A new project needs none: it is a row in projects.txt.

acl office   { "192.0.2.0"/24; "2001:db8:5c1::"/48; }
acl builders { "198.51.100.16"/28; }

# One line per request in the format that Webalizer reads, one file per site and day, and no address in any.
log visitors {
    .format = combined;
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

# svn.scipy.example/svn/numpy has the same path here, so another name is all it takes.
site domain {
    .aliases     = "www." + domain, "svn." + domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    # Who may commit is Apache's to say, by its own accounts; passwords travel over https alone, since plain http
    # is answered by a redirect. A working copy and a long log have no limit in size or time.
    route "/svn/{project}/" {
        .backend        = subversion;
        .serves         = subversion;
        .allow          = anyone;
        .body_bytes_max = 0;
        .total_timeout  = 0;
    }
    # Releases are made by the build machines: whatever password somebody has, he writes from there or not at all.
    route "/svn/releases/" {
        .backend = subversion;
        .serves  = subversion;
        .read    = anyone;
        .write   = network(builders);
    }
    # The servers' own configuration. A repository is closed as a whole: paths inside one are no boundary.
    route "/svn/servers/" {
        .backend = subversion;
        .serves  = subversion;
        .allow   = network(office);
    }

    # Attachments may be large; nothing else that is sent to a Trac is.
    route "/trac/{project}/" {
        .backend        = lookup(tracs, "{project}");
        .body_bytes_max = 256KB;
        .total_timeout  = 5m;
    }
    route "/trac/{project}/attachment/" {
        .backend        = lookup(tracs, "{project}");
        .body_bytes_max = 10MB;
        .total_timeout  = 30m;
    }
    route "/trac/{project}/admin/" {
        .backend = lookup(tracs, "{project}");
        .allow   = network(office);
    }

    route "/wiki/" {
        .backend        = moin;
        .body_bytes_max = 2MB;
    }
    route "/" {
        .backend = pages;
    }
}
