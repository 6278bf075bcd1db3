/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-oci: options of the runtime, then a command. */
#include "oci/oci.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_ROOT   "/run/chaos-oci"
#define DEFAULT_KERNEL "/usr/lib/chaos/linux/vmlinuz"
#define DEFAULT_CACHE  "/var/cache/chaos-oci"
#define CACHE_MIB      10240
#define CACHE_MIB_MAX  (1u << 24)

static const struct verb *const verbs[] = {&verb_create,   &verb_start, &verb_state,  &verb_kill,
					   &verb_delete,   &verb_pause, &verb_resume, &verb_ps,
					   &verb_events,   &verb_list,	&verb_exec,   &verb_update,
					   &verb_features, &verb_spec,	&verb_hold,   &verb_ahead};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void help(FILE *f)
{
	(void)fprintf(
		f,
		"usage: chaos-oci [OPTION]... COMMAND [WORD]...\n"
		"\n"
		"An OCI runtime: podman, docker and containerd run each container in a VM of "
		"its own, which\n"
		"chaosd makes. An image is a unikernel, or is run on Linux; see chaos-oci(8).\n"
		"\n"
		"      --kernel FILE       the Linux kernel ($CHAOS_OCI_KERNEL, or " DEFAULT_KERNEL
		")\n"
		"      --root DIR          the directory for the state of containers (" DEFAULT_ROOT
		")\n"
		"      --cache DIR         the directory for images of roots ($CHAOS_OCI_CACHE, "
		"or " DEFAULT_CACHE ")\n"
		"      --cache-size MIB    what they may have together (10240); 0: make none\n"
		"      --ahead USE         VMs that have booted (\"chaos-oci ahead\"): prefer, "
		"never "
		"or require them\n"
		"                          ($CHAOS_OCI_AHEAD, or prefer)\n"
		"      --log FILE          also write errors to this file\n"
		"      --log-format FORM   text or json\n"
		"      --systemd-cgroup, --cgroup-manager NAME, --debug, --log-level L, "
		"--rootless B\n"
		"                          accepted, without effect\n"
		"  -v, --version\n"
		"  -h, --help\n"
		"\n");
	for (size_t i = 0; i < VERBS; i++) {
		char line[100];

		(void)snprintf(line, sizeof(line), "%s %s", verbs[i]->name, verbs[i]->args);
		(void)fprintf(f, "  %s\n                          %s\n", line, verbs[i]->what);
	}
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

/* As engines read it: a line of text, or an object with level, msg and time. */
void oci_log(const struct oci *o, const char *message)
{
	FILE *f = o->log ? fopen(o->log, "ae") : NULL;
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	json_t *j;

	if (!f)
		return;
	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (o->log_json) {
		j = json_pack("{s:s, s:s, s:s}", "level", "error", "msg", message, "time", when);
		(void)json_dumpf(j, f, JSON_COMPACT);
		(void)fputc('\n', f);
		json_decref(j);
	} else {
		(void)fprintf(f, "%s: %s\n", when, message);
	}
	(void)fclose(f);
}

static int usage(void)
{
	(void)fprintf(stderr, "Try \"chaos-oci --help\".\n");
	return 1;
}

static bool read_size(const char *text, uint64_t *mib)
{
	char *end;

	errno = 0;
	*mib = strtoull(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && !*end && *mib <= CACHE_MIB_MAX)
		return true;
	(void)fprintf(stderr, "chaos-oci: --cache-size %s: give MiB, 0 to %u\n", text,
		      CACHE_MIB_MAX);
	return false;
}

static bool read_ahead(const char *text, enum ahead_use *use)
{
	static const char *const words[] = {
		[AHEAD_PREFER] = "prefer", [AHEAD_NEVER] = "never", [AHEAD_REQUIRE] = "require"};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0) {
			*use = (enum ahead_use)i;
			return true;
		}
	(void)fprintf(stderr, "chaos-oci: --ahead %s: give prefer, never or require\n", text);
	return false;
}

/* 0: go on; 1: done, with *status. */
static int read_options(struct oci *o, int argc, char **argv, int *status)
{
	static const struct option longs[] = {{"root", required_argument, NULL, 'r'},
					      {"kernel", required_argument, NULL, 'k'},
					      {"cache", required_argument, NULL, 'c'},
					      {"cache-size", required_argument, NULL, 's'},
					      {"ahead", required_argument, NULL, 'a'},
					      {"log", required_argument, NULL, 'l'},
					      {"log-format", required_argument, NULL, 'f'},
					      {"log-level", required_argument, NULL, 'i'},
					      {"cgroup-manager", required_argument, NULL, 'i'},
					      {"rootless", required_argument, NULL, 'i'},
					      {"systemd-cgroup", no_argument, NULL, 'i'},
					      {"debug", no_argument, NULL, 'i'},
					      {"version", no_argument, NULL, 'v'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "+vh", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			o->root = optarg;
			break;
		case 'k':
			o->kernel = optarg;
			break;
		case 'c':
			o->cache.folder = optarg;
			break;
		case 's':
			if (!read_size(optarg, &o->cache.mib)) {
				*status = usage();
				return 1;
			}
			break;
		case 'a':
			if (!read_ahead(optarg, &o->ahead)) {
				*status = usage();
				return 1;
			}
			break;
		case 'l':
			o->log = optarg;
			break;
		case 'f':
			o->log_json = strcmp(optarg, "json") == 0;
			break;
		case 'i':
			break;
		case 'v':
			printf("chaos-oci version %s\nspec: 1.0.2\n", CHAOS_VERSION);
			*status = 0;
			return 1;
		case 'h':
			help(stdout);
			*status = 0;
			return 1;
		default:
			*status = usage();
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *kernel = getenv("CHAOS_OCI_KERNEL");
	const char *cache = getenv("CHAOS_OCI_CACHE");
	const char *ahead = getenv("CHAOS_OCI_AHEAD");
	struct oci o = {
		.root = DEFAULT_ROOT,
		.kernel = kernel && *kernel ? kernel : DEFAULT_KERNEL,
		.cache = {.folder = cache && *cache ? cache : DEFAULT_CACHE, .mib = CACHE_MIB}};
	const struct verb *verb;
	struct err e = {0};
	int status = 1;
	int rc;

	if (ahead && *ahead && !read_ahead(ahead, &o.ahead))
		return usage();
	if (read_options(&o, argc, argv, &status))
		return status;
	if (optind >= argc || o.root[0] != '/' || o.cache.folder[0] != '/') {
		(void)fprintf(stderr, "chaos-oci: %s\n",
			      optind >= argc	 ? "give a command"
			      : o.root[0] != '/' ? "--root: must be an absolute path"
						 : "--cache: must be an absolute path");
		return usage();
	}
	argc -= optind;
	argv += optind;
	verb = find(argv[0]);
	if (!verb) {
		(void)fprintf(stderr, "chaos-oci: no command \"%s\"\n", argv[0]);
		return usage();
	}
	optind = 0; /* glibc: from the start, with the flags of that string */
	rc = verb->run(&o, argc, argv, &e);
	if (rc >= 0)
		return rc;
	if (!e.code) /* getopt has said it */
		return usage();
	(void)fprintf(stderr, "chaos-oci: %s\n", err_msg(&e));
	oci_log(&o, err_msg(&e));
	return 1;
}
