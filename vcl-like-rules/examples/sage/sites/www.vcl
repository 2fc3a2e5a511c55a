# The home page, the documents and the downloads: the same files at three universities.
site "www." + domain {
    .aliases     = domain, "doc." + domain, "files." + domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/" { .backend = files_washington; }

    # The copies are for sites whose service is down. Whoever wants one by itself may have it.
    route "/mirror/" { .backend = files_washington; }
}
