include "no-such-file.vcl";
