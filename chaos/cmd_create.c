/* SPDX-License-Identifier: BSD-3-Clause */
/* create and run: collects text and open files, and leaves all parsing to the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/cli.h"

#define CONFIG_MAX 32768u
#define SETS_MAX   32
/* Something that takes this long says so on a terminal. */
#define PATIENCE_MS 1000

enum { OPT_SET = 256, OPT_IGNORE, OPT_RM };

struct args {
	const char *file;
	char **override;
	int noverride;
	const char *kernel, *ramdisk;
	char *set[SETS_MAX];
	int nset;
	const char *ignore[SETS_MAX];
	int nignore;
	uint32_t flags;
	bool console, json, quiet, interactive, rm;
};

static const struct option longs[] = {
	{"kernel", required_argument, NULL, 'k'},
	{"ramdisk", required_argument, NULL, 'r'},
	{"memory", required_argument, NULL, 'm'},
	{"type", required_argument, NULL, 't'},
	{"name", required_argument, NULL, 'n'},
	{"vcpus", required_argument, NULL, 'v'},
	{"cmdline", required_argument, NULL, 'c'},
	{"set", required_argument, NULL, OPT_SET},
	{"ignore", required_argument, NULL, OPT_IGNORE},
	{"paused", no_argument, NULL, 'p'},
	{"ready", no_argument, NULL, 'w'},
	{"console", no_argument, NULL, 'C'},
	{"timings", no_argument, NULL, 'T'},
	{"quiet", no_argument, NULL, 'q'},
	{"json", no_argument, NULL, 'j'},
	{"interactive", no_argument, NULL, 'i'},
	{"rm", no_argument, NULL, OPT_RM},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void add_set(struct args *a, const char *key, const char *value)
{
	char *text;

	if (a->nset == SETS_MAX || asprintf(&text, "%s%s%s", key, *key ? "=" : "", value) < 0) {
		(void)fprintf(stderr, "chaos: too many options\n");
		exit(EXIT_USAGE);
	}
	a->set[a->nset++] = text;
}

static void free_sets(struct args *a)
{
	while (a->nset)
		free(a->set[--a->nset]);
}

static void read_option(struct args *a, int c)
{
	switch (c) {
	case 'k':
		a->kernel = optarg;
		break;
	case 'r':
		a->ramdisk = optarg;
		break;
	case 'm':
		add_set(a, "memory", optarg);
		break;
	case 't':
		add_set(a, "type", optarg);
		break;
	case 'n':
		add_set(a, "name", optarg);
		break;
	case 'v':
		add_set(a, "vcpus", optarg);
		break;
	case 'c':
		add_set(a, "cmdline", optarg);
		break;
	case OPT_SET:
		add_set(a, "", optarg);
		break;
	case OPT_IGNORE:
		if (a->nignore < SETS_MAX)
			a->ignore[a->nignore++] = optarg;
		break;
	case 'p':
		a->flags |= PROTO_F_PAUSED;
		break;
	case 'w':
		a->flags |= PROTO_F_READY;
		break;
	case 'C':
		a->console = true;
		break;
	case 'T':
		a->flags |= PROTO_F_TIMINGS;
		break;
	case 'q':
		a->quiet = true;
		break;
	case 'j':
		a->json = true;
		break;
	case 'i':
		a->interactive = true;
		break;
	case OPT_RM:
		a->rm = true;
		break;
	default:
		break;
	}
}

/* --- the request --- */

static int read_config(const char *path, char *text, size_t *len, struct err *e)
{
	int fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	*len = 0;
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	while (*len < CONFIG_MAX && (n = read(fd, text + *len, CONFIG_MAX - *len)) > 0)
		*len += (size_t)n;
	(void)close(fd);
	if (n < 0)
		return err_sys(e, errno, "%s", path);
	if (*len == CONFIG_MAX)
		return err_set(e, E2BIG, "%s: longer than %u bytes", path, CONFIG_MAX - 1);
	return 0;
}

static int add_config(struct wire_out *w, const struct args *a, struct err *e)
{
	char text[CONFIG_MAX];
	size_t len;
	int rc;

	if (!a->file)
		return 0;
	rc = read_config(a->file, text, &len, e);
	if (rc < 0)
		return rc;
	wire_bytes(w, PROTO_CONFIG, text, (uint32_t)len);
	wire_text(w, PROTO_CONFIG_NAME, strcmp(a->file, "-") == 0 ? "standard input" : a->file);
	return 0;
}

/* The file is opened here, with the caller's rights, and passed on. */
static int add_file(struct wire_out *w, const char *key, const char *path, enum proto_id id,
		    int *fds, uint32_t *nfd, struct err *e)
{
	char set[4200];

	if (!path)
		return 0;
	if (snprintf(set, sizeof(set), "%s=%s", key, path) >= (int)sizeof(set))
		return err_set(e, ENAMETOOLONG, "%s: the path is too long", key);
	fds[*nfd] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fds[*nfd] < 0)
		return err_sys(e, errno, "%s \"%s\"", key, path);
	wire_text(w, PROTO_SET, set);
	wire_u32(w, id, *nfd);
	(*nfd)++;
	return 0;
}

static int send_create(struct client *c, const struct args *a, struct err *e)
{
	char cwd[4096];
	struct wire_out w;
	int fds[2];
	uint32_t nfd = 0;
	int rc;

	client_begin(c, &w, PROTO_REQ_CREATE);
	if (getcwd(cwd, sizeof(cwd)))
		wire_text(&w, PROTO_CWD, cwd);
	wire_u32(&w, PROTO_FLAGS, a->flags);
	rc = add_config(&w, a, e);
	for (int i = 0; i < a->noverride; i++)
		wire_text(&w, PROTO_OVERRIDE, a->override[i]);
	for (int i = 0; i < a->nset; i++)
		wire_text(&w, PROTO_SET, a->set[i]);
	for (int i = 0; i < a->nignore; i++)
		wire_text(&w, PROTO_IGNORE, a->ignore[i]);
	if (rc == 0)
		rc = add_file(&w, "kernel", a->kernel, PROTO_KERNEL_FD, fds, &nfd, e);
	if (rc == 0)
		rc = add_file(&w, "ramdisk", a->ramdisk, PROTO_RAMDISK_FD, fds, &nfd, e);
	if (rc == 0)
		rc = client_send(c, &w, fds, nfd, e);
	for (uint32_t i = 0; i < nfd; i++)
		(void)close(fds[i]);
	return rc;
}

/* --- the answer --- */

struct answer {
	const struct args *a;
	json_t *times;
};

static int on_item(const struct wire_in *in, void *arg)
{
	struct answer *x = arg;
	char text[512];

	if (wire_get_text(in, PROTO_WARNING, text, sizeof(text))) {
		(void)fprintf(stderr, "chaos: warning: %s\n", text);
	} else if (wire_get_text(in, PROTO_TIME, text, sizeof(text))) {
		char *eq = strchr(text, '=');

		if (!eq)
			return 0;
		*eq = '\0';
		if (x->a->json)
			(void)json_object_set_new(x->times, text,
						  json_real(strtod(eq + 1, NULL) / 1000));
		else
			printf("%-8s %9.1f us\n", text, strtod(eq + 1, NULL) / 1000);
	}
	return 0;
}

static void tell_way(const struct args *a, const struct wire_in *in, json_t *times)
{
	char way[16] = "";
	char why[128] = "";

	(void)wire_get_text(in, PROTO_WAY, way, sizeof(way));
	(void)wire_get_text(in, PROTO_WHY, why, sizeof(why));
	if (!a->json) {
		printf("%-8s %s%s%s\n", "way", way, *why ? ": " : "", why);
		return;
	}
	(void)json_object_set_new(times, "way", json_string(way));
	(void)json_object_set_new(times, "why", json_string(why));
}

/* Waits for the answer; on a terminal, tells that it takes a while. */
static int receive_create(struct client *c, const struct args *a, struct vm_view *v, json_t **times,
			  struct err *e)
{
	struct answer x = {.a = a, .times = a->json ? json_object() : NULL};
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	struct wire_in in;
	int rc;

	if (!a->quiet && isatty(2) && poll(&p, 1, PATIENCE_MS) == 0)
		(void)fprintf(stderr, "chaos: building the VM...\n");
	rc = client_finish(c, &in, on_item, &x, e);
	*times = x.times;
	if (rc == 0 && (a->flags & PROTO_F_TIMINGS))
		tell_way(a, &in, x.times);
	if (rc == 0 && !view_read(&in, v))
		rc = err_set(e, EPROTO, "chaosd told nothing of the VM");
	return rc;
}

static int print_created(const struct args *a, const struct vm_view *v, json_t *times)
{
	json_t *j;

	if (a->quiet)
		return EXIT_DONE;
	if (!a->json) {
		printf("%s\n", v->name);
		return EXIT_DONE;
	}
	j = view_json(v);
	if (a->flags & PROTO_F_TIMINGS)
		(void)json_object_set(j, "timings_us", times);
	return print_json(j) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int create(const struct args *a, struct client *c, struct vm_view *v)
{
	struct err e = {0};
	json_t *times = NULL;
	int rc = client_open(c, NULL, &e);

	if (rc == 0)
		rc = send_create(c, a, &e);
	if (rc == 0)
		rc = receive_create(c, a, v, &times, &e);
	if (rc == 0 && print_created(a, v, times) != EXIT_DONE)
		rc = err_set(&e, EIO, "standard output");
	json_decref(times);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

int cmd_create(const struct command *cmd, int argc, char **argv)
{
	struct args a = {0};
	struct client client = {.fd = -1};
	struct vm_view v;
	struct err e = {0};
	bool ended;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":k:r:m:t:n:v:c:pwCTqjh", longs)) != -1) {
		if (c == 'i' || c == OPT_RM)
			return usage(cmd, "option \"%s\" belongs to run", argv[optind - 1]);
		read_option(&a, c);
	}
	if (optind < argc && !strchr(argv[optind], '='))
		a.file = argv[optind++];
	a.override = argv + optind;
	a.noverride = argc - optind;
	for (int i = 0; i < a.noverride; i++)
		if (!strchr(a.override[i], '='))
			return usage(cmd, "\"%s\" is not of the form key=value", a.override[i]);
	if (!a.file && !a.kernel && a.noverride == 0 && a.nset == 0)
		return usage(cmd, "give a configuration file or --kernel");
	rc = create(&a, &client, &v);
	free_sets(&a);
	if (rc == EXIT_DONE && a.console) {
		rc = stream_console(&client, v.uuid, PROTO_F_LOG | PROTO_F_FOLLOW | PROTO_F_INPUT,
				    &ended, &v, &e);
		rc = rc < 0 ? failed(&e) : EXIT_DONE;
	}
	client_close(&client);
	return rc;
}

/* --- run --- */

static char *join(char **words, int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (int i = 0; i < n; i++)
		(void)fprintf(f, "%s%s", i ? " " : "", words[i]);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void forget(struct client *c, const struct vm_view *v)
{
	struct wire_in in;

	if (ask(c, PROTO_REQ_RM, v->uuid, 0, NULL) == 0)
		(void)client_finish(c, &in, NULL, NULL, NULL);
}

/* Over a connection of its own: on the first one the console's answer is still to come. */
static int end_interrupted(const struct vm_view *v)
{
	struct client c = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	int rc = client_open(&c, NULL, &e);

	if (rc == 0)
		rc = ask(&c, PROTO_REQ_DESTROY, v->uuid, 0, &e);
	if (rc == 0)
		rc = client_finish(&c, &in, NULL, NULL, &e);
	client_close(&c);
	(void)fprintf(stderr, "chaos: interrupted; \"%s\" was destroyed\n", v->name);
	return rc < 0 ? failed(&e) : EXIT_INTERRUPTED;
}

int cmd_run(const struct command *cmd, int argc, char **argv)
{
	struct args a = {.quiet = true};
	struct client client = {.fd = -1};
	struct vm_view v;
	struct err e = {0};
	bool ended = false;
	char *line;
	int rc;
	int c;

	/* First, so that later ones of the user count more. */
	add_set(&a, "memory", "32");
	add_set(&a, "on_reboot", "destroy");
	while ((c = next_option(cmd, argc, argv, ":r:m:t:n:v:ih", longs)) != -1)
		read_option(&a, c);
	if (optind >= argc)
		return usage(cmd, "name an image");
	a.kernel = argv[optind++];
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0 && strcmp(argv[optind], "--") == 0)
		optind++;
	line = join(argv + optind, argc - optind);
	if (!line)
		return EXIT_FAILED;
	add_set(&a, "cmdline", line);
	free(line);
	rc = create(&a, &client, &v);
	free_sets(&a);
	if (rc == EXIT_DONE) {
		uint32_t flags = PROTO_F_LOG | PROTO_F_FOLLOW | (a.interactive ? PROTO_F_INPUT : 0);

		catch_interrupts();
		rc = stream_console(&client, v.uuid, flags, &ended, &v, &e);
		if (rc == -EINTR) /* as for a process: ^C ends it */
			rc = end_interrupted(&v);
		else if (rc < 0)
			rc = failed(&e);
		else if (ended)
			rc = exit_of(&v);
		if (ended && strcmp(v.reason, "poweroff") != 0) {
			char text[64];

			view_end_text(&v, text, sizeof(text));
			(void)fprintf(stderr, "chaos: \"%s\" ended: %s\n", v.name, text);
		}
	}
	if (ended && a.rm)
		forget(&client, &v);
	client_close(&client);
	return rc;
}
