package rest

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func TestF87_Passwords(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	password := o.secret("correct horse battery")
	o.put("alice", `{"password":"`+password+`"}`)
	require.Equal(t, true, o.user("alice")["password_set"])
	login := func(password string) scenario {
		return scenario{method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice","password":"` + password + `"}`, has: []string{`"name":"alice"`}}
	}
	o.at(o.public, login(password))
	session := o.session("alice")
	o.at(o.admin, []scenario{
		{name: "said again", method: http.MethodPut, path: "/notes/_user/alice", body: `{"password_set":true,"email":"a@example.com"}`},
		{name: "F78: sessions outlive other changes", method: http.MethodPut, path: "/notes/_user/alice", body: `{"admin_channels":["x"]}`},
	}...)
	o.at(o.public, scenario{path: "/notes", header: cookie(session)})
	other := o.secret("another long password")
	o.put("alice", `{"password":"`+other+`"}`)
	o.at(o.public, scenario{name: "F69, F78: a new password ends all sessions", path: "/notes", header: cookie(session), status: 401})
	o.at(o.public, login(other))
	refused := login(password)
	refused.status, refused.has = 401, []string{"Invalid login"}
	o.at(o.public, refused)
	o.put("alice", `{"password_set":false}`)
	require.Equal(t, false, o.user("alice")["password_set"])
	refused = login(other)
	refused.status, refused.has = 401, []string{"Invalid login"}
	o.at(o.public, refused)
}

func TestImportedUsersKeepTheirPasswords(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	// "password" and "imported password"; both were hashed for this test.
	bcryptHash, argonHash := importedHashes(t, o.secret("imported password"))
	for name, hash := range map[string]string{"old": bcryptHash, "older": argonHash} {
		o.put(name, `{"password_hash":"`+hash+`"}`)
		o.at(o.public, scenario{
			name: name, method: http.MethodPost, path: "/notes/_session", body: `{"name":"` + name + `","password":"imported password"}`,
			has: []string{name},
		})
		require.Equal(t, true, o.user(name)["password_set"])
	}
}

// importedHashes are a password's hashes by another system: cheap ones, as it was long ago.
func importedHashes(tb testing.TB, password string) (bcryptHash, argonHash string) {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(tb, err)
	salt := []byte("0123456789abcdef")
	sum := argon2.IDKey([]byte(password), salt, 2, 8<<10, 1, 32)
	encode := base64.RawStdEncoding.EncodeToString
	return string(hash), "$argon2id$v=19$m=8192,t=2,p=1$" + encode(salt) + "$" + encode(sum)
}
