// The same program as C++: the public headers are those of both languages.
#include "server.c"
