let domain = env("NOT_SET_ANYWHERE");
