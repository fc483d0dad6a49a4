// What our own files share and Python does not see.

#pragma once

// Adds a line to the kept log (edgeslm_log_take) as if llama.cpp had written it as an error.
void edgeslm_log_keep(const char * line);
