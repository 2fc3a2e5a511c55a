include "include-itself.vcl";
