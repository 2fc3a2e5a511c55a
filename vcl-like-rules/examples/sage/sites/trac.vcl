site "trac." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/"            { .backend = trac; .body_bytes_max = 256KB; }
    route "/attachment/" { .backend = trac; .body_bytes_max = 20MB; }
    route "/admin/"      { .backend = trac; .allow = network(admins); }
}
