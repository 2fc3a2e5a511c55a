include backends.vcl;
