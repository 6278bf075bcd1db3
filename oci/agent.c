/* SPDX-License-Identifier: BSD-3-Clause */
/* config.json as items for the agent. */
#include "oci/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"

#include "oci/pod.h"

/* --- items --- */

static bool item(struct agent *a, uint8_t session, char key, const char *text)
{
	uint8_t piece[LINK_MESSAGE];
	size_t len = strlen(text);
	bool ok;

	do {
		size_t n = len < sizeof(piece) - 2 ? len : sizeof(piece) - 2;

		piece[0] = (uint8_t)key;
		piece[1] = len > n;
		memcpy(piece + 2, text, n);
		ok = agent_say(a, LINK_ITEM, session, piece, n + 2);
		text += n;
		len -= n;
	} while (ok && len);
	return ok;
}

static bool item_number(struct agent *a, uint8_t session, char key, const json_t *v)
{
	char text[32];

	if (!json_is_integer(v))
		return true;
	(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	return item(a, session, key, text);
}

static bool item_list(struct agent *a, uint8_t session, char key, const json_t *list)
{
	const json_t *v;
	bool ok = true;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (json_is_string(v))
			ok = ok && item(a, session, key, json_string_value(v));
		else
			ok = ok && item_number(a, session, key, v);
	}
	return ok;
}

/* --- a process --- */

static const char *const caps[] = {"CHOWN",
				   "DAC_OVERRIDE",
				   "DAC_READ_SEARCH",
				   "FOWNER",
				   "FSETID",
				   "KILL",
				   "SETGID",
				   "SETUID",
				   "SETPCAP",
				   "LINUX_IMMUTABLE",
				   "NET_BIND_SERVICE",
				   "NET_BROADCAST",
				   "NET_ADMIN",
				   "NET_RAW",
				   "IPC_LOCK",
				   "IPC_OWNER",
				   "SYS_MODULE",
				   "SYS_RAWIO",
				   "SYS_CHROOT",
				   "SYS_PTRACE",
				   "SYS_PACCT",
				   "SYS_ADMIN",
				   "SYS_BOOT",
				   "SYS_NICE",
				   "SYS_RESOURCE",
				   "SYS_TIME",
				   "SYS_TTY_CONFIG",
				   "MKNOD",
				   "LEASE",
				   "AUDIT_WRITE",
				   "AUDIT_CONTROL",
				   "SETFCAP",
				   "MAC_OVERRIDE",
				   "MAC_ADMIN",
				   "SYSLOG",
				   "WAKE_ALARM",
				   "BLOCK_SUSPEND",
				   "AUDIT_READ",
				   "PERFMON",
				   "BPF",
				   "CHECKPOINT_RESTORE"};
static const char *const limits[] = {
	"CPU",	   "FSIZE", "DATA",  "STACK",	   "CORE",     "RSS",  "NPROC",	 "NOFILE",
	"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};

/* Behind its prefix; -1: none of these. */
static int number_of(const char *name, const char *prefix, const char *const *names, size_t n)
{
	if (!name || strncmp(name, prefix, strlen(prefix)) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(name + strlen(prefix), names[i]) == 0)
			return (int)i;
	return -1;
}

static unsigned long long cap_bits(const json_t *list)
{
	unsigned long long bits = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		int n = number_of(json_string_value(v), "CAP_", caps,
				  sizeof(caps) / sizeof(caps[0]));

		if (n >= 0) /* a name that this Linux does not have is passed over */
			bits |= 1ull << n;
	}
	return bits;
}

static bool say_caps(struct agent *a, uint8_t session, const json_t *c)
{
	char text[128];

	if (!c)
		return true;
	(void)snprintf(
		text, sizeof(text), "%llx %llx %llx %llx %llx",
		cap_bits(json_object_get(c, "bounding")), cap_bits(json_object_get(c, "effective")),
		cap_bits(json_object_get(c, "inheritable")),
		cap_bits(json_object_get(c, "permitted")), cap_bits(json_object_get(c, "ambient")));
	return item(a, session, LINK_K_CAPS, text);
}

static bool say_limits(struct agent *a, uint8_t session, const json_t *list)
{
	const json_t *v;
	bool ok = true;
	size_t i;

	json_array_foreach(list, i, v)
	{
		int n = number_of(json_string_value(json_object_get(v, "type")), "RLIMIT_", limits,
				  sizeof(limits) / sizeof(limits[0]));
		char text[80];

		if (n < 0)
			continue;
		(void)snprintf(text, sizeof(text), "%d %llu %llu", n,
			       (unsigned long long)json_integer_value(json_object_get(v, "soft")),
			       (unsigned long long)json_integer_value(json_object_get(v, "hard")));
		ok = ok && item(a, session, LINK_K_LIMIT, text);
	}
	return ok;
}

static bool say_user(struct agent *a, uint8_t session, const json_t *user)
{
	const char *name = json_string_value(json_object_get(user, "name"));

	if (name)
		return item(a, session, LINK_K_USER, name);
	return item_number(a, session, LINK_K_UID, json_object_get(user, "uid")) &&
	       item_number(a, session, LINK_K_GID, json_object_get(user, "gid")) &&
	       item_number(a, session, LINK_K_UMASK, json_object_get(user, "umask")) &&
	       item_list(a, session, LINK_K_GROUP, json_object_get(user, "additionalGids"));
}

int agent_check_process(const json_t *process, struct err *e)
{
	const json_t *args = json_object_get(process, "args");
	const json_t *v;
	size_t i;

	if (json_array_size(args) == 0)
		return err_set(e, EINVAL, "process.args is empty");
	json_array_foreach(args, i, v)
	{
		if (!json_is_string(v))
			return err_set(e, EINVAL, "process.args[%zu] is not a string", i);
	}
	return 0;
}

bool agent_say_container(struct agent *a, uint8_t session, const json_t *words)
{
	const char *name = json_string_value(json_object_get(words, "container"));

	return !name || item(a, session, LINK_K_CONTAINER, name);
}

bool agent_say_process(struct agent *a, uint8_t session, const json_t *process,
		       const struct winsize *size)
{
	const char *cwd = json_string_value(json_object_get(process, "cwd"));
	const char *copy = json_string_value(json_object_get(process, "copy"));
	char text[32];
	bool ok = agent_say_container(a, session, process) &&
		  item_list(a, session, LINK_K_ARG, json_object_get(process, "args")) &&
		  item_list(a, session, LINK_K_ENV, json_object_get(process, "env")) &&
		  say_user(a, session, json_object_get(process, "user")) &&
		  say_caps(a, session, json_object_get(process, "capabilities")) &&
		  say_limits(a, session, json_object_get(process, "rlimits")) &&
		  item_number(a, session, LINK_K_OOM, json_object_get(process, "oomScoreAdj"));

	if (ok && cwd)
		ok = item(a, session, LINK_K_CWD, cwd);
	if (ok && copy)
		ok = item(a, session, LINK_K_COPY, copy);
	if (ok && json_is_true(json_object_get(process, "noNewPrivileges")))
		ok = item(a, session, LINK_K_NO_NEW, "1");
	if (ok && size) {
		(void)snprintf(text, sizeof(text), "%u %u", size->ws_row, size->ws_col);
		ok = item(a, session, LINK_K_TERMINAL, text);
	}
	return ok && agent_say(a, LINK_RUN, session, NULL, 0);
}

/* --- the root --- */

static bool say_mount(struct agent *a, uint8_t session, const json_t *m)
{
	static const char *const own[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2"};
	const char *type = json_string_value(json_object_get(m, "type"));
	const char *to = json_string_value(json_object_get(m, "destination"));
	const json_t *v;
	char text[900];
	const char *volume = session > 0 ? pod_volume(m) : NULL;
	bool known = false;
	size_t n;
	size_t i;

	if (to && volume) {
		n = (size_t)snprintf(text, sizeof(text), "volume\n%s\n%s", to, volume);
		return n >= sizeof(text) || item(a, session, LINK_K_MOUNT, text);
	}
	if (to && strcmp(to, "/dev/shm") == 0)
		type = "tmpfs";
	if (type && strcmp(type, "cgroup") == 0)
		type = "cgroup2";
	for (i = 0; type && i < sizeof(own) / sizeof(own[0]); i++)
		known = known || strcmp(type, own[i]) == 0;
	if (!known || !to)
		return true; /* bound ones are in the root already */
	n = (size_t)snprintf(text, sizeof(text), "%s\n%s\n", type, to);
	json_array_foreach(json_object_get(m, "options"), i, v)
	{
		const char *word = json_string_value(v);

		if (word && !strstr(word, "bind") && !strstr(word, "private") && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s,", word);
	}
	return n >= sizeof(text) || item(a, session, LINK_K_MOUNT, text);
}

bool agent_say_root_of(struct agent *a, uint8_t session, const json_t *words)
{
	const char *image = json_string_value(json_object_get(words, "image"));
	const json_t *v;
	bool ok = !image || item(a, session, LINK_K_IMAGE, image);
	size_t i;

	json_array_foreach(json_object_get(words, "mounts"), i, v)
	{
		ok = ok && say_mount(a, session, v);
	}
	if (ok && json_is_true(json_object_get(words, "readonly")))
		ok = item(a, session, LINK_K_READONLY, "1");
	if (ok && json_is_true(json_object_get(words, "pids")))
		ok = item(a, session, LINK_K_PIDS, "1");
	return ok && agent_say(a, LINK_SETUP, session, NULL, 0);
}

int agent_say_part(struct agent *a, int file, struct err *e)
{
	uint8_t bytes[LINK_MESSAGE];
	char seed[65];
	ssize_t n;

	if (random_bytes(bytes, 32, "seed", e) < 0)
		return -EIO;
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(seed + 2 * i, 3, "%02x", bytes[i]);
	if (!item(a, 0, LINK_K_SEED, seed))
		return err_set(e, ENOMEM, "out of memory");
	for (off_t at = 0; (n = pread(file, bytes, sizeof(bytes), at)) > 0; at += n)
		if (!agent_say(a, LINK_ARCHIVE, 0, bytes, (size_t)n))
			return err_set(e, ENOMEM, "out of memory");
	return n == 0 ? 0 : err_sys(e, errno, "read the archive of the root");
}

bool agent_say_root(struct agent *a, const struct bundle *b, const struct network *n)
{
	const char *host = bundle_text(b, "hostname");
	const char *name;
	json_t *v;
	size_t i;
	bool ok = true;

	json_array_foreach(bundle_get(b, "mounts"), i, v)
	{
		ok = ok && say_mount(a, 0, v);
	}
	for (i = 0; ok && i < n->nitem; i++)
		ok = item(a, 0, LINK_K_NETWORK, n->item[i]);
	if (ok && host)
		ok = item(a, 0, LINK_K_HOSTNAME, host);
	if (ok && json_is_true(bundle_get(b, "root.readonly")))
		ok = item(a, 0, LINK_K_READONLY, "1");
	json_object_foreach((json_t *)(uintptr_t)bundle_get(b, "linux.sysctl"), name, v)
	{
		char text[512];

		if (json_is_string(v))
			(void)snprintf(text, sizeof(text), "%s=%s", name, json_string_value(v));
		ok = ok && (!json_is_string(v) || item(a, 0, LINK_K_SYSCTL, text));
	}
	return ok && agent_say(a, LINK_SETUP, 0, NULL, 0);
}
