/* The arguments of `moonwire call`. */
#ifndef MW_CLI_CALL_OPTIONS_H
#define MW_CLI_CALL_OPTIONS_H

#include "rpc/channel.h"

struct mw_call_options {
  struct mw_channel_config channel;
  const char *method;      /* "package.Service/Method" or the end of that; of --describe also another name; NULL: list */
  bool describe;           /* print the definition */
  const char *request;     /* JSON, "-", "@file"; NULL when absent */
  const char *proto_dir;   /* of --proto; NULL without it */
  bool reflection;         /* the server is asked for the schema, even if there is a folder */
  struct mw_metadata metadata;
  int64_t timeout_ns;      /* MW_NEVER without a deadline */
  const char *compression; /* NULL for none */
  unsigned indent;         /* spaces; 0 for a message per line */
  bool wait;               /* for the server to be there */
  bool verbose;
  struct mw_arena arena;   /* of what was made of the arguments */
};

/* Reads the arguments, which are borrowed. Returns -1 to go on, or the exit code: help was asked for and printed, or
 * the usage is wrong and a line on stderr says how. */
int mw_call_options_parse(struct mw_call_options *options, int argc, char **argv);

void mw_call_options_fini(struct mw_call_options *options);

#endif
