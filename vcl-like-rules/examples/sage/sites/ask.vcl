site "ask." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/"        { .backend = ask; .body_bytes_max = 128KB; }
    route "/upload/" { .backend = ask; .body_bytes_max = 5MB; }
    route "/admin/"  { .backend = ask; .allow = network(admins); }
}
