/* The arguments of `moonwire call`. */
#ifndef MW_CLI_CALL_CALL_OPTIONS_H
#define MW_CLI_CALL_CALL_OPTIONS_H

#include "rpc/channel.h"

struct mw_call_options {
  struct mw_channel_config channel;
  const char *method;    /* "package.Service/Method" or its end; of --describe any name; NULL to list */
  bool describe;         /* print the definition */
  const char *request;   /* JSON, "-" or "@file"; NULL if absent */
  const char *proto_dir; /* folder of --proto; NULL without it */
  bool reflection;       /* ask the server for the schema, even if a folder exists */
  struct mw_metadata metadata;
  int64_t timeout_ns;      /* MW_NEVER without a deadline */
  const char *compression; /* NULL for none */
  unsigned indent;         /* spaces; 0 for one message a line */
  bool wait;               /* wait until the server is reachable */
  bool verbose;
  struct mw_arena arena; /* holds values derived from the arguments */
};

/* Parses the arguments, which are borrowed. Returns -1 to continue, or an exit code: after printing the help, or a line
 * on stderr about wrong usage. */
int mw_call_options_parse(struct mw_call_options *options, int argc, char **argv);

void mw_call_options_fini(struct mw_call_options *options);

#endif
