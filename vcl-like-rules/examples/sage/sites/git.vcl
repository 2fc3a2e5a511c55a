site "git." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    # Anyone clones. Who pushes comes through ssh, or from the machines that merge.
    route "/" {
        .backend        = git;
        .serves         = git;
        .read           = anyone;
        .write          = network(admins);
        .body_bytes_max = 0;
        .total_timeout  = 0;
    }
}
