package main

import "testing"

func TestNamingRule(t *testing.T) {
	for _, tc := range []struct{ code, name, city, venue, committee string }{
		{"610800", "榆林市", "", "榆林市公共法律服务中心", ""},
		{"610802", "榆阳区", "榆林市", "榆林市榆阳区公共法律服务中心", ""},
		{"610881", "神木市", "榆林市", "神木市公共法律服务中心", ""},
		{"610802001", "鼓楼街道", "榆林市", "鼓楼街道公共法律服务工作站", "鼓楼街道人民调解委员会"},
		{"610802001001", "鸳鸯湖社区居委会", "榆林市", "鸳鸯湖社区公共法律服务工作室", "鸳鸯湖社区人民调解委员会"},
		{"610824101214", "羊羔山村委会", "榆林市", "羊羔山公共法律服务工作室", "羊羔山村人民调解委员会"},
		{"610830103203", "张辛村村委会", "榆林市", "张辛村公共法律服务工作室", "张辛村人民调解委员会"},
		{"610622103238", "（高家坪村委会）", "延安市", "高家坪公共法律服务工作室", "高家坪村人民调解委员会"},
		{"610602109203", "石村村委会委会", "延安市", "石村公共法律服务工作室", "石村人民调解委员会"},
	} {
		if got := venueName(tc.code, tc.name, tc.city); got != tc.venue {
			t.Errorf("%s: venue %s, want %s", tc.name, got, tc.venue)
		}
		if got := committeeName(tc.code, tc.name); got != tc.committee {
			t.Errorf("%s: committee %s, want %s", tc.name, got, tc.committee)
		}
	}
}
