/* SPDX-License-Identifier: BSD-3-Clause */
/* fw: a firewall of one user's own. Forwards frames between its two vifs, unless a rule of its
 * command line says no: deny=tcp/23 allow=udp/1000-2000 deny=icmp default=deny; the first that
 * matches counts (filter.h). Counters are printed for each line on the console, and at the end. */
#include "filter.h"
#include "kit/dev.h"

#define BUFFERS 64
#define BUDGET	64 /* frames of one side before the other's turn */

struct side {
	struct kit_net net;
	struct side *other;
	uint64_t passed, denied, malformed;
};

static struct side sides[2];
static struct filter filter;

static void forward(void *arg, const struct kit_frame *f)
{
	struct side *from = arg;
	uint8_t head[FILTER_HEAD];
	uint32_t have = kit_frame_copy(f, head, sizeof(head));

	switch (filter_frame(&filter, head, have, f->len)) {
	case FILTER_PASS:
		from->passed += kit_net_send(&from->other->net, f);
		break;
	case FILTER_DENY:
		from->denied++;
		break;
	case FILTER_MALFORMED:
	default:
		from->malformed++;
		break;
	}
}

/* Frames stay in the ring while the other side has no room: their sender is held back, not robbed.
 */
static bool move(struct side *from)
{
	uint32_t n = 0;

	while (n < BUDGET && kit_net_room(&from->other->net, KIT_FRAME_PARTS) &&
	       kit_net_poll(&from->net, 1, forward, from))
		n++;
	kit_net_flush(&from->other->net);
	return n == BUDGET;
}

static void print_counters(void)
{
	for (int i = 0; i < 2; i++)
		kit_print("fw: vif %d: %lu in, %lu passed, %lu denied, %lu malformed, %lu "
			  "dropped\r\n",
			  i, sides[i].net.received, sides[i].passed, sides[i].denied,
			  sides[i].malformed, sides[i].net.dropped);
}

/* A word of the command line, `len` bytes: false when it begins like an option and is none. */
static bool option(const char *word, size_t len)
{
	if (len >= 6 && memcmp(word, "allow=", 6) == 0)
		return filter_add(&filter, true, word + 6, len - 6);
	if (len >= 5 && memcmp(word, "deny=", 5) == 0)
		return filter_add(&filter, false, word + 5, len - 5);
	if (len < 8 || memcmp(word, "default=", 8) != 0)
		return true; /* another's */
	filter.deny_rest = len == 12 && memcmp(word + 8, "deny", 4) == 0;
	return filter.deny_rest || (len == 13 && memcmp(word + 8, "allow", 5) == 0);
}

static bool configure(void)
{
	const char *word;
	size_t len = 0;

	for (uint32_t i = 0; (word = kit_option_text("", i, &len)) != NULL; i++) {
		if (!option(word, len)) {
			kit_print("fw: not understood: %s\r\n", word);
			return false;
		}
	}
	return true;
}

int guest_main(void)
{
	char input[16];

	kit_traps();
	if (!configure())
		return 2;
	for (uint16_t i = 0; i < 2; i++) {
		sides[i].other = &sides[1 - i];
		if (!kit_net_open(&sides[i].net, i, BUFFERS)) {
			kit_print("fw: no vif %u\r\n", i);
			return 1;
		}
	}
	kit.at_stop = print_counters;
	kit_ready();
	for (;;) {
		bool more = move(&sides[0]);

		more |= move(&sides[1]);
		if (kit_read(input, sizeof(input)))
			print_counters();
		else if (!more)
			kit_idle(0);
	}
}
