# What happens to fingers that are too fast.
backnd trac { .url = "http://127.0.0.1:8000"; }
backend svn { .ulr = "http://127.0.0.1:8080"; .visitor_adress = ful; }
let domain = "scipy.example";

site "www." + domian {
    .certificate = locl;
    .log = visitor;
    rout "/trac/"    { .backend = tarc; }
    route "/svn/"    { .backend = trac; .allow = netwrk(offce) || anyon; .frobnicate = 3; }
    route "/office/" { .backend = trac; .allow = office || network("office"); }
}
acl office { "192.0.2.0"/24; }
log visitors { .format = combind; .file = "{stat}/log/{hots}.log"; }
gateway { .url = "http://a"; .head_timout = 10s; }
