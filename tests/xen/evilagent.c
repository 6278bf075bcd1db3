/* SPDX-License-Identifier: BSD-3-Clause */
/* Process 1 of a VM that says it is chaos' agent, and is hostile: what a copy out of it gets is
 * named by the path that is copied, and the ring that it offers by the program that is run. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "guests/linux/link/link.h"
#include "guests/linux/tree/tree.h"
#include "tests/xen/evilring.h"

#define STREAM_MAX 12000u /* no more than is taken without a word about room */
#define RING_AT	   40000u /* bytes of output after which it is asked for a ring */
#define PIECE	   700u

static struct link agent;
static int channel = -1;
static char path[256];
static uint8_t stream[STREAM_MAX];
static size_t len, sent, total;
static uint8_t session;
static bool asked, used; /* the ring of this host */
static size_t room;	 /* that the host has for output: what sends more is ended by it */
static int step;	 /* 0: nothing is asked for; 1: started; 2: the end is to be said */

/* --- a stream --- */

static void put(const void *bytes, size_t n)
{
	if (n > sizeof(stream) - len)
		n = sizeof(stream) - len;
	memcpy(stream + len, bytes, n);
	len += n;
}

static void entry(enum tree_kind kind, const char *name, uint64_t size, uint32_t mode)
{
	struct tree_entry e = {.kind = kind, .size = size, .mode = mode};
	uint8_t head[TREE_HEAD];

	(void)snprintf(e.name, sizeof(e.name), "%s", name);
	tree_head(&e, head);
	put(head, sizeof(head));
	put(name, strlen(name));
}

static void file(const char *name)
{
	entry(TREE_FILE, name, 5, 0644);
	put("evil\n", 5);
}

static void link_to(const char *name, const char *to)
{
	entry(TREE_LINK, name, strlen(to), 0777);
	put(to, strlen(to));
}

static bool is(const char *what)
{
	return strcmp(path, what) == 0;
}

static void make_stream(void)
{
	static const char zero[8] = "a\0b";

	len = sent = 0;
	if (strncmp(path, "ring-", 5) == 0) {
		static char one[PIECE];

		put(one, sizeof(one)); /* again and again */
		return;
	}
	if (is("magic")) {
		put("something else", 14);
		return;
	}
	put(TREE_MAGIC, strlen(TREE_MAGIC));
	if (is("nothing"))
		return;
	entry(TREE_FOLDER, is("top") ? "../top" : "", 0, 0755);
	if (is("up"))
		file("../evil");
	else if (is("inner"))
		file("a/../../evil");
	else if (is("absolute"))
		file("/tmp/evil");
	else if (is("dot"))
		file("./evil");
	else if (is("empty"))
		file("a//evil");
	else if (is("zero")) {
		entry(TREE_FILE, "abc", 0, 0644);
		memcpy(stream + len - 3, zero, 3);
	} else if (is("through")) {
		link_to("way", "..");
		file("way/evil");
	} else if (is("across")) {
		entry(TREE_FOLDER, "sub", 0, 0755);
		link_to("sub/way", "..");
		file("sub/way/evil");
	} else if (is("links")) {
		link_to("out", "/etc/passwd");
		link_to("up", "../x");
		link_to("in", "good");
		file("good");
		entry(TREE_END, "", 5, 0);
	} else if (is("long"))
		entry(TREE_FILE, "evil", 1ull << 50, 0644);
	else if (is("much"))
		entry(TREE_FILE, "evil", 1ull << 39, 0644);
	else if (is("cut")) {
		file("good");
		entry(TREE_FILE, "evil", 1000, 0644);
		put("evil", 4);
	} else if (is("noend"))
		file("good");
	else if (is("count")) {
		file("good");
		entry(TREE_END, "", 7, 0);
	} else if (is("setid")) {
		entry(TREE_FILE, "root", 5, 06755);
		put("evil\n", 5);
		entry(TREE_END, "", 2, 0);
	} else if (is("mode"))
		entry(TREE_FILE, "evil", 0, 0170777);
	else if (is("kind"))
		entry((enum tree_kind)'b', "evil", 0, 0777);
}

/* --- the agent --- */

static void out(void *arg, const void *bytes, size_t n)
{
	(void)arg;
	while (n) {
		ssize_t k = write(channel, bytes, n);

		if (k > 0) {
			bytes = (const char *)bytes + k;
			n -= (size_t)k;
		}
	}
}

static void message(void *arg, uint8_t type, uint8_t number, const uint8_t *data, size_t n)
{
	(void)arg;
	if (type == LINK_ITEM && n > 2 && n - 2 < sizeof(path) && data[0] == LINK_K_ARG) {
		memcpy(path, data + 2, n - 2);
		path[n - 2] = '\0';
	} else if (type == LINK_RUN) {
		session = number;
		room = LINK_STREAM;
		step = 1;
		make_stream();
		(void)link_send(&agent, LINK_DONE, number, NULL, 0);
	} else if (type == LINK_ROOM && n == 5 && number == session && data[0] == 0) {
		room += link_get32(data + 1);
	} else if (type == LINK_RING_ASK && n == 4) {
		asked = true;
		evilring_ask(&agent, path, link_get32(data));
	} else if (type == LINK_RING_USE) {
		evilring_use(&agent, path, session);
		used = true;
	}
}

static void begun(void *arg)
{
	(void)arg;
	step = 0;
	asked = used = false;
}

/* Its end comes by the ring, never before. */
static bool needs_ring(void)
{
	return is("ring-twice") || is("ring-kind") || is("ring-taken") || is("ring-index") ||
	       is("ring-length");
}

static const struct link_ops ops = {out, message, begun};

/* The end's text would clear a terminal. */
static void pump(void)
{
	static const char text[] = "\033[2Jcleared\a\nno more";
	uint8_t code[4];

	/* 8 bytes are for evilring_use() */
	while (step == 1 && link_has_room(&agent, PIECE) && room >= PIECE + 8) {
		size_t n = len - sent < PIECE ? len - sent : PIECE;

		(void)link_send(&agent, LINK_OUTPUT, session, stream + sent, n);
		sent += n;
		room -= n;
		if (len == PIECE && sent == len &&
		    ((total += PIECE) < RING_AT || (needs_ring() && !asked)))
			sent = 0;
		step = sent < len ? 1 : is("hang") ? 0 : 2;
	}
	if (step != 2 || used || needs_ring() || !link_has_room(&agent, PIECE))
		return;
	total = 0;
	(void)link_send(&agent, LINK_ERRORS, session, text, sizeof(text) - 1);
	link_put32(code, is("links") || is("setid") || strncmp(path, "ring-", 5) == 0 ? 0 : 1);
	if (link_send(&agent, LINK_EXIT, session, code, sizeof(code)) == 0)
		step = 0;
}

int main(void)
{
	struct timespec rest = {.tv_nsec = 1000000};
	struct termios t;
	uint8_t bytes[1024];

	(void)mkdir("/dev", 0755);
	if (getpid() == 1)
		(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	evilring_modules();
	while ((channel = open("/dev/hvc1", O_RDWR | O_NOCTTY)) < 0)
		(void)nanosleep(&rest, NULL);
	if (tcgetattr(channel, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag |= CREAD | CLOCAL;
		(void)tcsetattr(channel, TCSANOW, &t);
	}
	(void)tcflush(channel, TCIFLUSH);
	link_init(&agent, false, &ops, NULL);
	link_call(&agent);
	for (;;) {
		ssize_t n = read(channel, bytes, sizeof(bytes));

		if (n > 0)
			link_input(&agent, bytes, (size_t)n);
		pump();
	}
}
