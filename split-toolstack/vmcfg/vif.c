/* SPDX-License-Identifier: BSD-3-Clause */
/* One item of vif = [...]: xl-network-configuration(5), and keys of chaos. */
#include "split-toolstack/vmcfg/devices.h"
#include "split-toolstack/vmcfg/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mac.h"
#include "dom0/link.h"

struct item {
	struct vmcfg_list *warning;
	struct device_config *device;
	struct vif_config *vif; /* of it */
	bool have_bridge;
};

/* `bare`: the key may have no value, which is NULL then. */
struct vif_key {
	const char *name;
	int (*set)(struct item *i, const char *key, const char *value, struct err *e);
	bool bare;
};

static int set_mac(struct item *i, const char *key, const char *value, struct err *e)
{
	if (mac_read(value, i->vif->mac) < 0)
		return err_set(e, EINVAL, "%s \"%s\": not of the form 00:16:3e:12:34:56", key,
			       value);
	if (i->vif->mac[0] & 1)
		return err_set(e, EINVAL,
			       "%s %s: is a multicast address; the first byte must be even", key,
			       value);
	return 0;
}

static int set_name(char to[DEVICE_NAME], const char *key, const char *value, struct err *e)
{
	if (!link_name_valid(value))
		return err_set(
			e, EINVAL,
			"%s \"%s\": not a name for an interface (1 to 15 characters, no / : %% "
			"or space)",
			key, value);
	(void)snprintf(to, DEVICE_NAME, "%s", value);
	return 0;
}

static int set_bridge(struct item *i, const char *key, const char *value, struct err *e)
{
	i->have_bridge = true;
	i->vif->bridge[0] = '\0';
	return *value ? set_name(i->vif->bridge, key, value, e) : 0;
}

static int set_netns(struct item *i, const char *key, const char *value, struct err *e)
{
	if (strlen(value) >= sizeof(i->vif->netns))
		return err_set(e, EINVAL, "%s \"%.40s...\": longer than %zu characters", key, value,
			       sizeof(i->vif->netns) - 1);
	if (!i->have_bridge)
		i->vif->bridge[0] = '\0';
	(void)snprintf(i->vif->netns, sizeof(i->vif->netns), "%s", value);
	return 0;
}

static int set_peer(struct item *i, const char *key, const char *value, struct err *e)
{
	return set_name(i->vif->peer, key, value, e);
}

static int set_vifname(struct item *i, const char *key, const char *value, struct err *e)
{
	return set_name(i->vif->ifname, key, value, e);
}

static int set_mtu(struct item *i, const char *key, const char *value, struct err *e)
{
	return vmcfg_number(key, value, LINK_MTU_MIN, LINK_MTU_MAX, &i->vif->mtu, e);
}

static int set_devid(struct item *i, const char *key, const char *value, struct err *e)
{
	return vmcfg_number(key, value, 0, VIF_DEVID_MAX, &i->device->devid, e);
}

static int set_rate(struct item *i, const char *key, const char *value, struct err *e)
{
	libxl_device_nic nic;
	struct vmcfg_report r;
	int rc = vmcfg_report_open(&r, e);

	if (rc < 0)
		return rc;
	libxl_device_nic_init(&nic);
	rc = xlu_vif_parse_rate(r.xlu, value, &nic);
	if (rc != 0) {
		rc = err_set(e, EINVAL, "%s \"%s\": %s; give for example 10Mb/s or 1MB/s@20ms", key,
			     value, vmcfg_report_words(&r));
	} else {
		i->vif->rate_bytes = nic.rate_bytes_per_interval;
		i->vif->rate_us = nic.rate_interval_usecs;
	}
	libxl_device_nic_dispose(&nic);
	vmcfg_report_close(&r);
	return rc;
}

/* ADDRESS or ADDRESS/PREFIX. Without a prefix it is that of one network: 24 and 64. */
static int one_address(struct vif_ip *ip, const char *key, const char *text, struct err *e)
{
	char address[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	bool v6 = memchr(text, ':', len) != NULL;
	uint32_t prefix = v6 ? 64 : 24;
	uint8_t bytes[16];
	int rc = 0;

	if (len >= sizeof(address))
		return err_set(e, EINVAL, "%s \"%s\": not an IP address", key, text);
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) != 1)
		return err_set(e, EINVAL, "%s \"%s\": not an IP address", key, text);
	if (slash)
		rc = vmcfg_number("length of the network's prefix", slash + 1, 1, v6 ? 128 : 32,
				  &prefix, e);
	if (rc < 0)
		return rc;
	if (v6 && ip->ipv6_prefix == 0) {
		memcpy(ip->ipv6, bytes, 16);
		ip->ipv6_prefix = (uint8_t)prefix;
	} else if (!v6 && ip->ipv4_prefix == 0) {
		memcpy(ip->ipv4, bytes, 4);
		ip->ipv4_prefix = (uint8_t)prefix;
	}
	return 0;
}

/* Several addresses separated by spaces, as xl's scripts take them; the device page of a noxs
 * guest has the first of each family. */
static int set_ip(struct item *i, const char *key, const char *value, struct err *e)
{
	struct vif_ip *ip = &i->vif->ip;
	char text[sizeof(i->vif->ip_text)];
	char *save = NULL;
	int rc = 0;

	if (strlen(value) >= sizeof(text))
		return err_set(e, EINVAL, "%s \"%.40s...\": longer than %zu characters", key, value,
			       sizeof(text) - 1);
	ip->ipv4_prefix = 0;
	ip->ipv6_prefix = 0;
	(void)snprintf(i->vif->ip_text, sizeof(i->vif->ip_text), "%s", value);
	(void)snprintf(text, sizeof(text), "%s", value);
	for (char *one = strtok_r(text, " ", &save); rc == 0 && one;
	     one = strtok_r(NULL, " ", &save))
		rc = one_address(ip, key, one, e);
	return rc;
}

static int set_gateway(struct item *i, const char *key, const char *value, struct err *e)
{
	bool v6 = strcmp(key, "gateway6") == 0;
	struct vif_ip *ip = &i->vif->ip;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, value, v6 ? ip->ipv6_gateway : ip->ipv4_gateway) ==
	    1)
		return 0;
	return err_set(e, EINVAL, "%s \"%s\": not an IPv%c address", key, value, v6 ? '6' : '4');
}

static int flag(bool *to, const char *key, const char *value, struct err *e)
{
	uint32_t v = 1;
	int rc = value ? vmcfg_number(key, value, 0, 1, &v, e) : 0;

	*to = v;
	return rc;
}

static int set_dhcp(struct item *i, const char *key, const char *value, struct err *e)
{
	return flag(&i->vif->ip.dhcp, key, value, e);
}

static int set_userspace(struct item *i, const char *key, const char *value, struct err *e)
{
	bool user;
	int rc = flag(&user, key, value, e);

	i->device->backend = user ? BACKEND_USER : BACKEND_KERNEL;
	return rc;
}

static int set_backend(struct item *i, const char *key, const char *value, struct err *e)
{
	(void)i;
	return vmcfg_backend(key, value, e);
}

static int set_type(struct item *i, const char *key, const char *value, struct err *e)
{
	(void)i;
	if (strcmp(value, "vif") == 0)
		return 0;
	if (strcmp(value, "ioemu") == 0)
		return err_set(e, EOPNOTSUPP,
			       "%s \"ioemu\": PV and PVH guests have no emulated cards", key);
	return err_set(e, EINVAL, "%s \"%s\": use \"vif\"", key, value);
}

static int warn(struct item *i, const char *key, const char *value, const char *why, struct err *e)
{
	char text[256];

	if (!i->warning)
		return 0;
	(void)snprintf(text, sizeof(text), "vif: %s \"%.80s\" %s", key, value ? value : "", why);
	return vmcfg_warning(i->warning, text, e);
}

static int set_script(struct item *i, const char *key, const char *value, struct err *e)
{
	bool routed = strstr(value, "vif-route") || strstr(value, "vif-nat");

	if (routed && !i->have_bridge)
		i->vif->bridge[0] = '\0';
	return warn(i, key, value,
		    routed ? "is not run: addresses and routes are for you to set"
			   : "is not run: chaosd puts the interface into its bridge itself",
		    e);
}

static int pass_over(struct item *i, const char *key, const char *value, struct err *e)
{
	return warn(i, key, value, "has no effect", e);
}

static int refuse_untrusted(struct item *i, const char *key, const char *value, struct err *e)
{
	bool trusted = strcmp(key, "trusted") == 0;
	int rc = value ? flag(&trusted, key, value, e) : 0;

	(void)i;
	if (rc < 0 || trusted)
		return rc;
	return err_set(e, EOPNOTSUPP, "%s: not supported; remove it", key);
}

static const struct vif_key keys[] = {
	{"mac", set_mac},
	{"bridge", set_bridge},
	{"vifname", set_vifname},
	{"mtu", set_mtu},
	{"rate", set_rate},
	{"ip", set_ip},
	{"devid", set_devid},
	{"type", set_type},
	{"backend", set_backend},
	{"script", set_script},
	{"model", pass_over},
	{"accel", pass_over, .bare = true},
	{"gatewaydev", pass_over},
	{"netdev", pass_over},
	{"trusted", refuse_untrusted, .bare = true},
	{"untrusted", refuse_untrusted, .bare = true},
	/* our own */
	{"dhcp", set_dhcp, .bare = true},
	{"gateway", set_gateway},
	{"gateway6", set_gateway},
	{"netns", set_netns},
	{"peer", set_peer},
	{"userspace", set_userspace, .bare = true},
};

static int set_one(struct item *i, char *token, struct err *e)
{
	char *value = strchr(token, '=');

	if (value)
		*value++ = '\0';
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		if (strcmp(keys[k].name, token) != 0)
			continue;
		if (!value && !keys[k].bare)
			return err_set(e, EINVAL, "%s: has no value; write %s=...", token, token);
		return keys[k].set(i, token, value, e);
	}
	return err_set(e, EINVAL, "\"%s\": not a key of a vif", token);
}

static bool same_network(const uint8_t *a, const uint8_t *b, uint32_t prefix)
{
	for (; prefix >= 8; prefix -= 8)
		if (*a++ != *b++)
			return false;
	return prefix == 0 || ((*a ^ *b) >> (8 - prefix)) == 0;
}

static int check_ip(const struct vif_ip *ip, struct err *e)
{
	static const uint8_t none[16];
	bool gateway = memcmp(ip->ipv4_gateway, none, 4) != 0;
	bool gateway6 = memcmp(ip->ipv6_gateway, none, 16) != 0;

	if (ip->dhcp && (ip->ipv4_prefix || gateway))
		return err_set(e, EINVAL,
			       "dhcp: the address comes from the network, or from ip; not both");
	if (gateway && !ip->ipv4_prefix)
		return err_set(e, EINVAL, "gateway: needs an IPv4 address in ip");
	if (gateway6 && !ip->ipv6_prefix)
		return err_set(e, EINVAL, "gateway6: needs an IPv6 address in ip");
	if (gateway && !same_network(ip->ipv4, ip->ipv4_gateway, ip->ipv4_prefix))
		return err_set(e, EINVAL,
			       "gateway: is not in the network of ip, which has the prefix %u",
			       ip->ipv4_prefix);
	/* An IPv6 gateway is link-local as a rule. */
	return 0;
}

/* Leading and trailing blanks do not count. */
static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	end = s + strlen(s);
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return s;
}

static void write_fields(struct wire_out *w, const struct device_info *i)
{
	const struct device_config *d = i->config;
	const struct vif_config *v = &d->u.vif;
	char text[18];

	(void)snprintf(text, sizeof(text), "%u", d->devid);
	wire_text(w, PROTO_ID, d->devid == DEVICE_ANY ? "" : text);
	wire_u32(w, PROTO_DEVID, d->devid);
	mac_print(v->mac, text);
	wire_text(w, PROTO_MAC, text);
	wire_text(w, PROTO_BRIDGE, v->bridge);
	if (v->netns[0]) {
		wire_text(w, PROTO_NETNS, v->netns);
		wire_text(w, PROTO_PEER, v->peer);
	}
	wire_text(w, PROTO_IFNAME, i->ifname);
	wire_u32(w, PROTO_MTU, v->mtu);
	wire_text(w, PROTO_IP, v->ip.dhcp ? "dhcp" : v->ip_text);
	if (v->rate_bytes) {
		wire_u64(w, PROTO_RATE_BYTES, v->rate_bytes);
		wire_u32(w, PROTO_RATE_US, v->rate_us);
	}
}

static int parse(const char *spec, const char *cwd, struct vmcfg_list *warning,
		 struct device_config *out, struct err *e)
{
	struct item i = {.warning = warning, .device = out, .vif = &out->u.vif};
	char *copy = strdup(spec);
	char *rest = copy;
	int rc = copy ? 0 : err_set(e, ENOMEM, "out of memory");

	(void)cwd;
	device_config_init(out, DEVICE_VIF);
	(void)snprintf(out->u.vif.bridge, sizeof(out->u.vif.bridge), "%s", VIF_BRIDGE_DEFAULT);
	while (rc == 0 && rest) {
		char *token = trim(strsep(&rest, ","));

		if (*token)
			rc = set_one(&i, token, e);
	}
	if (rc == 0)
		rc = check_ip(&out->u.vif.ip, e);
	free(copy);
	if (rc < 0)
		rc = err_wrap(e, rc, "vif \"%.120s\"", spec);
	return rc;
}

const struct vmcfg_device_ops vmcfg_vif_ops = {.parse = parse, .fields = write_fields};
