include "../parts/circle.vcl";
