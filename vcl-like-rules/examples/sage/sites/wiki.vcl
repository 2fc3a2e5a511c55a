site "wiki." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    # Titles of Moin may have a slash in them that is none of the path.
    route "/" { .backend = wiki; .body_bytes_max = 512KB; .encoded_slash = keep; }
}
